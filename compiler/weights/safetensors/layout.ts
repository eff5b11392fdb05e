import { inputError, internalError } from "../../diagnostics/error.ts";
import { byteSize, type DType } from "../../ir/dtype.ts";
import { HEADER_LIMIT, labelOfDtype, lengthOf } from "./format.ts";

/** A tensor to be stored. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Where everything goes in a file that is yet to be written. Offsets count from the start of the file, in bytes. */
export interface SafetensorsLayout {
  /** the 8 bytes of length and the JSON, padded with spaces: the data begins right after */
  readonly header: Uint8Array;
  /** in the order of the bytes */
  readonly tensors: ReadonlyMap<string, { readonly offset: number; readonly length: number }>;
  /** whether the entries' own order would have left a tensor unaligned, so that wide elements were put first */
  readonly sorted: boolean;
  /** bytes of the whole file */
  readonly size: number;
}

/** Data begins at a multiple of this: a cache line, and more than any element needs. */
const DATA_ALIGNMENT = 64;

/**
 * Lays tensors out for {@link writeSafetensors}, so that a graph can refer to their bytes before they are written.
 *
 * Every tensor begins at a multiple of its element's size. The format allows no gap between two tensors, so
 * nothing can be padded: entries keep their order where that alone aligns them all (always so when they share one
 * dtype), and are otherwise sorted by element size, widest first, equal sizes in the order given. `sorted` tells.
 *
 * @throws TfcError SAFETENSORS_UNSUPPORTED for a dtype the format has no name for, elements that end inside a
 *   byte, or a header above its limit.
 */
export function layoutSafetensors(
  entries: readonly SafetensorsEntry[],
  metadata: ReadonlyMap<string, string> = new Map(),
): SafetensorsLayout {
  checkNames(entries);
  const sized = entries.map((entry) => ({
    ...entry,
    length: requireLength(entry),
    unit: Math.ceil(byteSize(entry.dtype, 1) ?? 1),
  }));
  let at = 0;
  const sorted = !sized.every(({ length, unit }) => {
    const aligned = at % unit === 0;
    at += length;
    return aligned;
  });
  if (sorted) sized.sort((a, b) => b.unit - a.unit);

  const json: [string, unknown][] =
    metadata.size === 0 ? [] : [["__metadata__", Object.fromEntries(metadata)]];
  at = 0;
  for (const { name, dtype, shape, length } of sized) {
    json.push([name, { dtype: labelOfDtype(dtype), shape, data_offsets: [at, at + length] }]);
    at += length;
  }
  const header = encodeHeader(json);
  let offset = header.length;
  const tensors = new Map<string, { offset: number; length: number }>();
  for (const { name, length } of sized) {
    tensors.set(name, { offset, length });
    offset += length;
  }
  return { header, tensors, sorted, size: offset };
}

function checkNames(entries: readonly SafetensorsEntry[]): void {
  const seen = new Set(["__metadata__"]);
  for (const { name } of entries) {
    if (seen.has(name)) throw internalError({ name }, "two tensors of one name in a safetensors file");
    seen.add(name);
  }
}

function requireLength({ name, dtype, shape }: SafetensorsEntry): number {
  const length = labelOfDtype(dtype) === undefined ? null : lengthOf(dtype, shape);
  if (length !== null) return length;
  throw inputError(
    "SAFETENSORS_UNSUPPORTED",
    { name },
    { what: `a tensor of type ${dtype}[${shape.join(",")}]` },
  );
}

function encodeHeader(json: readonly (readonly [string, unknown])[]): Uint8Array {
  // Entries are joined by hand: an object would move names such as "0" to the front.
  const members = json.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const text = Buffer.from(`{${members.join(",")}}`);
  const size = Math.ceil((8 + text.length) / DATA_ALIGNMENT) * DATA_ALIGNMENT;
  if (size - 8 > HEADER_LIMIT) {
    throw inputError(
      "SAFETENSORS_UNSUPPORTED",
      {},
      { what: `a header of ${size - 8} bytes (the limit is ${HEADER_LIMIT})` },
    );
  }
  const header = Buffer.alloc(size, " ");
  header.writeBigUInt64LE(BigInt(size - 8));
  text.copy(header, 8);
  return header;
}
