import { inputError } from "../../diagnostics/error.ts";
import type { TorchDType, TorchType } from "./dtype.ts";
import { placeInFile, quoted, torchInvalid } from "./file.ts";
import { gather, isRowMajor } from "./gather.ts";
import type { ZipEntry } from "./zip-directory.ts";
import type { ZipFile } from "./zip.ts";
import type { WeightTensor } from "../weight.ts";

/** The bytes that one or several tensors are views of. */
export class StoredData {
  readonly zip: ZipFile;
  readonly entry: ZipEntry;
  readonly key: string;
  /** null for bytes that only the tensor gives a type to */
  readonly type: TorchType | null;
  /** in elements of the type; in bytes without one */
  readonly count: number;

  constructor(zip: ZipFile, entry: ZipEntry, key: string, type: TorchType | null, count: number) {
    this.zip = zip;
    this.entry = entry;
    this.key = key;
    this.type = type;
    this.count = count;
  }
}

/** Where the elements of a tensor lie; all in elements. */
export interface View {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/**
 * A view that names elements more than once (`expand`, `as_strided`) may be larger than what is stored, and so as
 * large as the file claims: this many bytes are granted.
 */
const REPEATED_LIMIT = 2 ** 26;

/** A tensor of a checkpoint: a view of stored elements, which are read when they are asked for. */
export class StoredTensor implements WeightTensor {
  readonly dtype: TorchDType;
  readonly shape: readonly number[];
  readonly #data: StoredData;
  readonly #type: TorchType;
  readonly #view: View;
  #isChecked = false;

  constructor(data: StoredData, type: TorchType, view: View) {
    this.#data = data;
    this.#type = type;
    this.#view = view;
    this.dtype = type.dtype;
    this.shape = view.shape;
  }

  /**
   * Compares what the pickle says with the size of what is stored. Done when the pickle has been read: before, nobody
   * knows the leaf.
   *
   * @throws TfcError TORCH_INVALID, or TORCH_UNSUPPORTED for a view that repeats elements beyond all use
   */
  check(leaf: string): void {
    if (this.#isChecked) return;
    const { zip, entry, key } = this.#data;
    const { unit, dtype } = this.#type;
    const bytes = this.#data.count * (this.#data.type?.unit ?? 1);
    const stored = `storage ${quoted(key)}`;
    if (bytes > entry.size) {
      throw torchInvalid(zip.file, `${stored} of ${bytes} bytes, of which the file has ${entry.size}`, leaf);
    }
    // PyTorch compresses nothing: a packed record that is longer than its storage is there to fill memory.
    if (entry.deflated && entry.size > bytes) {
      throw torchInvalid(zip.file, `${stored} of ${bytes} bytes in a record of ${entry.size}`, leaf);
    }
    const [size, end] = [this.#count() * unit, this.#end() * unit];
    const type = `${dtype}[${this.shape.join(",")}]`;
    if (!Number.isSafeInteger(size) || !Number.isSafeInteger(end) || end > bytes) {
      throw torchInvalid(zip.file, `${type} that ends at byte ${end} of ${stored}, which has ${bytes}`, leaf);
    }
    if (size > Math.max(bytes, REPEATED_LIMIT)) {
      throw inputError("TORCH_UNSUPPORTED", placeInFile(zip.file, leaf), {
        what: `${type} made of ${bytes} bytes by repeating them`,
        fix: "save it expanded: tensor.contiguous()",
      });
    }
    this.#isChecked = true;
  }

  bytes(): Uint8Array {
    const { zip, entry } = this.#data;
    const { unit } = this.#type;
    const { offset, shape, strides } = this.#view;
    const count = this.#count();
    if (count === 0) return new Uint8Array(0);
    if (isRowMajor(shape, strides)) return zip.read(entry, offset * unit, count * unit);
    const span = zip.read(entry, offset * unit, (this.#end() - offset) * unit);
    return gather(span, unit, shape, strides);
  }

  #count(): number {
    return this.shape.reduce((n, d) => n * d, 1);
  }

  /** The element of the storage behind the last one of the view. */
  #end(): number {
    const { offset, shape, strides } = this.#view;
    if (shape.includes(0)) return 0;
    return shape.reduce((last, d, i) => last + (d - 1) * (strides[i] ?? 0), offset) + 1;
  }
}
