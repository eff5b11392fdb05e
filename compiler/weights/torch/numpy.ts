import { fromHalf } from "../half.ts";
import { describe, NumpyType, type Call, type Pickled } from "./pickled.ts";
import { quoted } from "./file.ts";

/** Numbers by numpy's code: the bytes each takes, and how they are read. All little-endian. */
const readers: ReadonlyMap<
  string,
  readonly [bytes: number, read: (view: DataView) => number | bigint | boolean]
> = new Map([
  ["b1", [1, (view) => view.getUint8(0) !== 0]],
  ["i1", [1, (view) => view.getInt8(0)]],
  ["u1", [1, (view) => view.getUint8(0)]],
  ["i2", [2, (view) => view.getInt16(0, true)]],
  ["u2", [2, (view) => view.getUint16(0, true)]],
  ["f2", [2, (view) => fromHalf(view.getUint16(0, true))]],
  ["i4", [4, (view) => view.getInt32(0, true)]],
  ["u4", [4, (view) => view.getUint32(0, true)]],
  ["f4", [4, (view) => view.getFloat32(0, true)]],
  ["i8", [8, (view) => exactNumber(view.getBigInt64(0, true))]],
  ["u8", [8, (view) => exactNumber(view.getBigUint64(0, true))]],
  ["f8", [8, (view) => view.getFloat64(0, true)]],
]);

/** An integer as a number where that is exact. */
export function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** `numpy.dtype("f8", False, True)` */
export function numpyType([code]: readonly Pickled[], call: Call): Pickled {
  if (typeof code === "string" && readers.has(code)) return new NumpyType(code);
  throw call.unsupported(`a numpy.dtype ${typeof code === "string" ? quoted(code) : "of no name"}`);
}

/** The state that a numpy.dtype is given: `(3, "<", None, …)`. It must be as the code says, and little-endian. */
export function checkNumpyState(state: Pickled, call: Call): void {
  const [, order, subtype, names, fields] = Array.isArray(state) ? state : [];
  if (order !== "<" && order !== "|" && order !== "=") throw call.unsupported("a big-endian numpy.dtype");
  if (subtype !== null || names !== null || fields !== null)
    throw call.unsupported("a numpy.dtype with fields");
}

/** `scalar(dtype, bytes)` */
export function numpyScalar([type, bytes]: readonly Pickled[], call: Call): Pickled {
  const reader = type instanceof NumpyType ? readers.get(type.code) : undefined;
  if (reader === undefined || !(bytes instanceof Uint8Array) || bytes.length !== reader[0]) {
    throw call.invalid(`a numpy scalar of ${describe(type ?? null)} made of ${describe(bytes ?? null)}`);
  }
  return reader[1](new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
}
