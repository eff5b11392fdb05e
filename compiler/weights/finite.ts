import type { Place } from "../diagnostics/diagnostic.ts";
import { inputError } from "../diagnostics/error.ts";
import type { DType } from "../ir/dtype.ts";
import { numbersOf } from "./convert.ts";

/** The bits of the exponent, which are all set in infinities and in what is no number; by words of 16 bits. */
const exponents: Partial<Record<DType, { readonly words: number; readonly mask: number }>> = {
  float: { words: 2, mask: 0x7f80 },
  double: { words: 4, mask: 0x7ff0 },
  float16: { words: 1, mask: 0x7c00 },
  bfloat16: { words: 1, mask: 0x7f80 },
};

/**
 * Refuses weights that are no numbers: one of them makes everything behind it none.
 *
 * @param place the file and the leaf
 * @throws TfcError ADAPTER_NOT_FINITE with the index of the first
 */
export function checkFinite(place: Place, dtype: DType, bytes: Uint8Array): void {
  const index = firstInfinite(dtype, bytes);
  if (index >= 0) throw inputError("ADAPTER_NOT_FINITE", place, { index, dtype });
}

/**
 * Refuses finite weights that another type does not hold.
 *
 * @param from the type of `bytes`
 * @param converted the same weights as they are used, in type `to`
 * @throws TfcError ADAPTER_OUT_OF_RANGE with the index of the first, and the number
 */
export function checkRange(
  place: Place,
  from: DType,
  bytes: Uint8Array,
  to: DType,
  converted: Uint8Array,
): void {
  if (from === to) return;
  const index = firstInfinite(to, converted);
  if (index < 0) return;
  throw inputError("ADAPTER_OUT_OF_RANGE", place, { to, index, value: numbersOf(bytes, from)(index) });
}

/** The index of the first element that is no number or infinite, or -1. */
function firstInfinite(dtype: DType, bytes: Uint8Array): number {
  const exponent = exponents[dtype];
  if (exponent === undefined) return -1;
  const { words, mask } = exponent;
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  const halves = new Uint16Array(even.buffer, even.byteOffset, even.byteLength >> 1);
  // Little-endian: sign and exponent are in an element's last word.
  for (let i = words - 1; i < halves.length; i += words) {
    if (((halves[i] ?? 0) & mask) === mask) return (i - words + 1) / words;
  }
  return -1;
}
