/** An integer as protobufjs gives it: a number, or a Long where the field is 64 bits wide. */
export type Int = number | { readonly low: number; readonly high: number; readonly unsigned: boolean };

/**
 * As a JavaScript number; exact up to 2^53, which sizes and versions do not pass.
 *
 * @param value an {@link Int}, or nothing for 0. It is typed `unknown` because onnx-proto's declarations name a
 *   Long class that they do not resolve.
 */
export function toNumber(value: unknown): number {
  return typeof value === "number" ? value : Number(toBigInt(value));
}

/** As a bigint, exact; see {@link toNumber}. */
export function toBigInt(value: unknown): bigint {
  if (value === null || value === undefined) return 0n;
  if (typeof value === "number") return BigInt(value);
  const { high, low, unsigned } = value as Exclude<Int, number>;
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return unsigned ? bits : BigInt.asIntN(64, bits);
}

/** As protobufjs takes it. */
export function toLong(value: bigint | number): Int {
  if (typeof value === "number" && Number.isSafeInteger(value) && Math.abs(value) < 2 ** 31) return value;
  const bits = BigInt.asUintN(64, BigInt(value));
  return {
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
    unsigned: false,
  };
}
