import type { Place } from "../diagnostics/diagnostic.ts";
import { inputError } from "../diagnostics/error.ts";
import type { DType } from "../ir/dtype.ts";

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
  const exponent = exponents[dtype];
  if (exponent === undefined) return;
  const { words, mask } = exponent;
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  const halves = new Uint16Array(even.buffer, even.byteOffset, even.byteLength >> 1);
  // Little-endian: sign and exponent are in an element's last word.
  for (let i = words - 1; i < halves.length; i += words) {
    if (((halves[i] ?? 0) & mask) === mask) {
      throw inputError("ADAPTER_NOT_FINITE", place, { index: (i - words + 1) / words, dtype });
    }
  }
}
