import { inputError, internalError, type TfcError } from "../../diagnostics/error.ts";
import { torchTypeOf, type TorchType } from "./dtype.ts";
import { placeInFile } from "./file.ts";
import { rowMajorStrides } from "./gather.ts";
import { isDict, isWeight, OrderedDict, type TorchLeaf, type TorchValue } from "./value.ts";
import { walkTree } from "./walk.ts";
import { sizeOf, type WeightTensor } from "../weight.ts";

/** A checkpoint's pickle, and the tensors whose bytes lie beside it. */
export interface PickledCheckpoint {
  readonly pickle: Uint8Array;
  /** in the order of their keys, which count from 0 */
  readonly storages: readonly WeightTensor[];
  /** where each tensor stands first */
  readonly leaves: ReadonlyMap<WeightTensor, string>;
}

/**
 * Writes a value as a pickle of protocol 2, with the globals that `torch.save` uses. What occurs twice (the same
 * tensor, list or dict) is written once and referred to.
 *
 * @throws TfcError TORCH_UNSUPPORTED, with the leaf, for what a checkpoint cannot hold
 */
export function pickleCheckpoint(file: string, value: TorchValue): PickledCheckpoint {
  const leaves = new Map<WeightTensor, string>();
  const refuse = (what: string, name: string): TfcError =>
    inputError("TORCH_UNSUPPORTED", placeInFile(file, name), { what });
  walkTree<TorchLeaf>(
    value,
    (leaf, path) => {
      const why = unfit(leaf);
      if (why !== null) throw refuse(why, path());
      if (isWeight(leaf) && !leaves.has(leaf)) leaves.set(leaf, path());
    },
    refuse,
  );
  const pickler = new Pickler(file);
  pickler.value(value);
  return { pickle: pickler.end(), storages: pickler.storages, leaves };
}

/** What keeps a leaf out of a checkpoint, or null. */
function unfit(leaf: TorchLeaf): string | null {
  if (typeof leaf === "string") return /\p{Surrogate}/u.test(leaf) ? "text that is no Unicode" : null;
  if (typeof leaf === "bigint") return longBytes(leaf) > 255 ? "an integer of over 255 bytes" : null;
  return isWeight(leaf) && torchTypeOf(leaf.dtype) === undefined ? `a tensor of type ${leaf.dtype}` : null;
}

/** Bytes of an integer in two's complement. */
function longBytes(value: bigint): number {
  const magnitude = value < 0n ? -value - 1n : value;
  // One bit more, for the sign.
  return magnitude === 0n ? Number(value < 0n) : Math.floor(magnitude.toString(2).length / 8) + 1;
}

const NONE = 0x4e;
const TRUE = 0x88;
const FALSE = 0x89;
const MARK = 0x28;
const EMPTY_LIST = 0x5d;
const APPENDS = 0x65;
const EMPTY_TUPLE = 0x29;
const TUPLE = 0x74;
const TUPLES = [EMPTY_TUPLE, 0x85, 0x86, 0x87];
const EMPTY_DICT = 0x7d;
const SETITEMS = 0x75;
const REDUCE = 0x52;
const BINPERSID = 0x51;
const STOP = 0x2e;

class Pickler {
  readonly #file: string;
  readonly #parts: Uint8Array[] = [];
  /** the number under which something written can be had again: an object, or the name of a global */
  readonly #memo = new Map<object | string, number>();
  readonly storages: WeightTensor[] = [];

  constructor(file: string) {
    this.#file = file;
    this.#put(0x80, 2);
  }

  end(): Uint8Array {
    this.#put(STOP);
    return Buffer.concat(this.#parts);
  }

  value(value: TorchValue): void {
    if (value === null) this.#put(NONE);
    else if (typeof value === "boolean") this.#put(value ? TRUE : FALSE);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#integer(value);
    else if (typeof value === "string") this.#text(value);
    else if (this.#again(value)) return;
    else if (value instanceof Uint8Array) this.#bytes(value);
    else if (isWeight(value)) this.#tensor(value);
    else if (isDict(value)) this.#dict(value);
    else this.#list(value);
  }

  #put(...bytes: readonly number[]): void {
    this.#parts.push(Uint8Array.from(bytes));
  }

  /** Refers to what has been written before. */
  #again(key: object | string): boolean {
    const index = this.#memo.get(key);
    if (index === undefined) return false;
    if (index < 0x100) this.#put(0x68, index);
    else this.#wide(0x6a, index);
    return true;
  }

  #remember(key: object | string): void {
    const index = this.#memo.size;
    this.#memo.set(key, index);
    if (index < 0x100) this.#put(0x71, index);
    else this.#wide(0x72, index);
  }

  /** An opcode and a number of four bytes. */
  #wide(opcode: number, value: number): void {
    const part = Buffer.alloc(5);
    part.writeUInt8(opcode);
    part.writeInt32LE(value | 0, 1);
    this.#parts.push(part);
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.#integer(BigInt(value));
      return;
    }
    const part = Buffer.alloc(9);
    part.writeUInt8(0x47);
    part.writeDoubleBE(value, 1);
    this.#parts.push(part);
  }

  #integer(value: bigint): void {
    if (value >= 0n && value < 0x100n) this.#put(0x4b, Number(value));
    else if (BigInt.asIntN(32, value) === value) this.#wide(0x4a, Number(value));
    else {
      const length = longBytes(value);
      const digits = BigInt.asUintN(8 * length, value)
        .toString(16)
        .padStart(2 * length, "0");
      this.#put(0x8a, length);
      this.#parts.push(Buffer.from(digits, "hex").reverse());
    }
  }

  #text(value: string): void {
    const bytes = Buffer.from(value);
    this.#wide(0x58, bytes.length);
    this.#parts.push(bytes);
  }

  #global(module: string, name: string): void {
    const key = `${module}\n${name}\n`;
    if (this.#again(key)) return;
    this.#parts.push(Buffer.from(`c${key}`));
    this.#remember(key);
  }

  /** A tuple of so many values, which `write` writes. */
  #tuple(count: number, write: () => void): void {
    const short = TUPLES[count];
    if (short === undefined) this.#put(MARK);
    write();
    this.#put(short ?? TUPLE);
  }

  #sizes(sizes: readonly number[]): void {
    this.#tuple(sizes.length, () => {
      for (const size of sizes) this.#number(size);
    });
  }

  /** As Python does where a pickle has no bytes: a text whose characters they are. */
  #bytes(value: Uint8Array): void {
    const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString("latin1");
    this.#global("_codecs", "encode");
    this.#tuple(2, () => {
      this.#text(text);
      this.#text("latin1");
    });
    this.#put(REDUCE);
    this.#remember(value);
  }

  #list(value: readonly TorchValue[]): void {
    this.#put(EMPTY_LIST);
    this.#remember(value);
    if (value.length === 0) return;
    this.#put(MARK);
    for (const item of value) this.value(item);
    this.#put(APPENDS);
  }

  #dict(value: ReadonlyMap<TorchValue, TorchValue>): void {
    if (value instanceof OrderedDict) this.#orderedDict();
    else this.#put(EMPTY_DICT);
    this.#remember(value);
    if (value.size === 0) return;
    this.#put(MARK);
    for (const [key, item] of value) {
      this.#key(key);
      this.value(item);
    }
    this.#put(SETITEMS);
  }

  #orderedDict(): void {
    this.#global("collections", "OrderedDict");
    this.#put(EMPTY_TUPLE, REDUCE);
  }

  /** Python takes no list for a key: an array is a tuple there. */
  #key(key: TorchValue): void {
    if (isDict(key)) throw internalError({ file: this.#file }, "a dict as the key of a dict in a checkpoint");
    if (Array.isArray(key)) {
      const parts = key as readonly TorchValue[];
      this.#tuple(parts.length, () => {
        for (const part of parts) this.#key(part);
      });
    } else this.value(key);
  }

  #tensor(tensor: WeightTensor): void {
    const type = torchTypeOf(tensor.dtype);
    if (type === undefined) throw internalError({ file: this.#file }, `a tensor of type ${tensor.dtype}`);
    const key = this.storages.push(tensor) - 1;
    // The newer types have no storage class: their tensors are views of bytes, and name their type.
    const isTyped = type.storage === null;
    this.#global("torch._utils", isTyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
    this.#tuple(isTyped ? 7 : 6, () => {
      this.#storage(key, type, sizeOf(tensor));
      this.#number(0);
      this.#sizes(tensor.shape);
      this.#sizes(rowMajorStrides(tensor.shape));
      // It needs no gradient, and has no hooks.
      this.#put(FALSE);
      this.#orderedDict();
      if (isTyped) this.#global("torch", type.name);
    });
    this.#put(REDUCE);
    this.#remember(tensor);
  }

  #storage(key: number, { storage, unit }: TorchType, count: number): void {
    this.#tuple(5, () => {
      this.#text("storage");
      if (storage === null) this.#global("torch.storage", "UntypedStorage");
      else this.#global("torch", storage);
      this.#text(String(key));
      this.#text("cpu");
      this.#number(storage === null ? count * unit : count);
    });
    this.#put(BINPERSID);
  }
}
