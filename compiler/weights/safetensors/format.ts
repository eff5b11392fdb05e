import { byteSize, type DType } from "../../ir/dtype.ts";

/** Bytes of header above which a file is refused, as the format asks: a wrong length must not fill the memory. */
export const HEADER_LIMIT = 100_000_000;

/** Element types by the name a safetensors header gives them. */
const byLabel: ReadonlyMap<string, DType> = new Map<string, DType>([
  ["BOOL", "bool"],
  ["F4", "float4e2m1"],
  ["F6_E2M3", "float6e2m3"],
  ["F6_E3M2", "float6e3m2"],
  ["U8", "uint8"],
  ["I8", "int8"],
  ["F8_E5M2", "float8e5m2"],
  ["F8_E4M3", "float8e4m3fn"],
  ["F8_E8M0", "float8e8m0"],
  ["F8_E4M3FNUZ", "float8e4m3fnuz"],
  ["F8_E5M2FNUZ", "float8e5m2fnuz"],
  ["I16", "int16"],
  ["U16", "uint16"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I32", "int32"],
  ["U32", "uint32"],
  ["F32", "float"],
  ["C64", "complex64"],
  ["F64", "double"],
  ["I64", "int64"],
  ["U64", "uint64"],
]);

const labels: ReadonlyMap<DType, string> = new Map([...byLabel].map(([label, dtype]) => [dtype, label]));

/** The element type a header's `dtype` means, or undefined where safetensors defines none. */
export function dtypeOfLabel(label: string): DType | undefined {
  return byLabel.get(label);
}

/** What a header calls an element type, or undefined for one that safetensors cannot hold (strings, int4, …). */
export function labelOfDtype(dtype: DType): string | undefined {
  return labels.get(dtype);
}

/**
 * Bytes of a tensor in a file, or null when it has none: strings have no size, and elements below a byte must fill
 * their last byte.
 */
export function lengthOf(dtype: DType, shape: readonly number[]): number | null {
  // Eight times the elements take as many bytes as these take bits.
  const bits = byteSize(dtype, 8 * shape.reduce((n, d) => n * d, 1));
  return bits === null || bits % 8 !== 0 ? null : bits / 8;
}
