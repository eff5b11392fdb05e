import type { TfcError } from "../../diagnostics/error.ts";
import type { TorchType } from "./dtype.ts";
import { quoted } from "./file.ts";
import { StoredData, StoredTensor } from "./tensor.ts";

/**
 * What a pickle may have in hand while it is read: what a checkpoint holds in the end, and what tensors and numbers
 * are made of on the way. Tuples are frozen arrays, lists and sets are not.
 */
export type Pickled = PickledLeaf | Pickled[] | Map<Pickled, Pickled>;

export type PickledLeaf =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | StoredTensor
  | StoredData
  | StorageClass
  | NumpyType
  | Maker;

/** `torch.FloatStorage` and the like; without a type `torch.storage.UntypedStorage`. */
export class StorageClass {
  readonly name: string;
  readonly type: TorchType | null;

  constructor(name: string, type: TorchType | null) {
    this.name = name;
    this.type = type;
  }
}

/** A function of Python that is allowed, by what stands for it here. */
export class Maker {
  readonly name: string;
  readonly make: (args: readonly Pickled[], call: Call) => Pickled;

  constructor(name: string, make: Maker["make"]) {
    this.name = name;
    this.make = make;
  }
}

/** A `numpy.dtype` of single numbers: `f8`. */
export class NumpyType {
  readonly code: string;

  constructor(code: string) {
    this.code = code;
  }
}

/** Makes errors about the opcode that is being read. */
export interface Complaints {
  /** The pickle is broken. */
  invalid(why: string): TfcError;
  /** The pickle asks for something that is not data. */
  forbidden(what: string): TfcError;
  /** The pickle is sound, but holds what tfc does not know. */
  unsupported(what: string): TfcError;
}

/** What a {@link Maker} may use. */
export interface Call extends Complaints {
  /** Takes bytes from what the pickle may make in all, so that one long text cannot be turned into bytes for ever. */
  spend(bytes: number): void;
}

/** A value for a message. */
export function describe(value: Pickled): string {
  if (value === null) return "None";
  if (value instanceof StorageClass || value instanceof Maker) return value.name;
  if (Array.isArray(value)) return Object.isFrozen(value) ? "a tuple" : "a list";
  if (value instanceof Map) return "a dict";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof StoredTensor) return "a tensor";
  if (value instanceof StoredData) return `the storage ${quoted(value.key)}`;
  if (value instanceof NumpyType) return `the numpy.dtype ${quoted(value.code)}`;
  if (typeof value === "string") return "text";
  return typeof value === "boolean" ? "a boolean" : "a number";
}
