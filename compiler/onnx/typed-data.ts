import { byteSize, type DType } from "../ir/dtype.ts";
import { tensorOf } from "../ir/scalar.ts";
import { TENSOR } from "./ids.ts";
import {
  bits64,
  BYTES,
  eachNumber,
  fieldsIn,
  FIXED32,
  FIXED64,
  readerOf,
  VARINT,
  type Reader,
} from "./wire.ts";

/** How the elements of a type stand in one of the typed fields of a TensorProto. */
interface Layout {
  readonly id: number;
  readonly wire: number;
  /** Bytes that an entry of the field stands for in raw data; null where it is not certain how they are packed. */
  readonly entry: number | null;
  read(r: Reader): number | bigint;
}

const FLOATS: Layout = { id: TENSOR.floatData, wire: FIXED32, entry: 4, read: (r) => r.float() };
const DOUBLES: Layout = { id: TENSOR.doubleData, wire: FIXED64, entry: 8, read: (r) => r.double() };
const INT64S: Layout = {
  id: TENSOR.int64Data,
  wire: VARINT,
  entry: 8,
  read: (r) => BigInt.asIntN(64, bits64(r)),
};

function layoutOf(dtype: DType): Layout {
  switch (dtype) {
    case "float":
    case "complex64":
      return FLOATS;
    case "double":
    case "complex128":
      return DOUBLES;
    case "int64":
      return INT64S;
    case "uint64":
    case "uint32":
      return { id: TENSOR.uint64Data, wire: VARINT, entry: byteSize(dtype, 1), read: bits64 };
    default: {
      const isUnsure =
        dtype === "string" || dtype === "undefined" || dtype === "float6e2m3" || dtype === "float6e3m2";
      const entry = isUnsure ? null : Math.max(1, byteSize(dtype, 1) ?? 1);
      return { id: TENSOR.int32Data, wire: VARINT, entry, read: (r) => r.int32() };
    }
  }
}

/** The typed field of a TensorProto that a type's elements are in. Read when it is asked for. */
export class TypedField {
  readonly dtype: DType;
  readonly #layout: Layout;
  readonly #message: Uint8Array;

  constructor(dtype: DType, message: Uint8Array) {
    this.dtype = dtype;
    this.#layout = layoutOf(dtype);
    this.#message = message;
  }

  /** Bytes that the elements have as raw data; null where it is not certain how they are packed. */
  get length(): number | null {
    const { entry } = this.#layout;
    if (entry === null) return null;
    let count = 0;
    this.#each((r, wire) => {
      if (wire === FIXED32) r.pos += 4;
      else if (wire === FIXED64) r.pos += 8;
      else passVarint(r);
      count++;
    });
    return count * entry;
  }

  entries(): (number | bigint)[] {
    const values: (number | bigint)[] = [];
    this.#each((r) => values.push(this.#layout.read(r)));
    return values;
  }

  #each(visit: (r: Reader, wire: number) => void): void {
    const { id, wire } = this.#layout;
    const r = readerOf(this.#message);
    for (const field of fieldsIn(this.#message)) {
      if (field.id !== id || (field.wire !== wire && field.wire !== BYTES)) continue;
      // A packed field is read from its length on.
      r.pos = field.start;
      r.uint32();
      eachNumber(r, field.wire, () => {
        visit(r, wire);
      });
    }
  }
}

function passVarint(r: Reader): void {
  while ((r.buf[r.pos] ?? 0) >= 128) r.pos++;
  r.pos++;
}

/** The elements of a typed field as little-endian raw data. */
export function typedData(field: TypedField, shape: readonly number[]): Uint8Array {
  const entries = field.entries();
  switch (field.dtype) {
    case "complex64":
      return tensorOf("float", shape, entries).bytes();
    case "complex128":
      return tensorOf("double", shape, entries).bytes();
    case "float16":
    case "bfloat16":
      // int32_data holds the bit patterns of 16-bit floats.
      return tensorOf("uint16", shape, entries).bytes();
    case "float":
    case "double":
    case "int64":
    case "uint64":
    case "uint32":
    case "int8":
    case "int16":
    case "int32":
    case "uint8":
    case "uint16":
    case "bool":
      return tensorOf(field.dtype, shape, entries).bytes();
    default:
      // The 8-bit and packed types all store one byte an entry.
      return Uint8Array.from(entries, Number);
  }
}
