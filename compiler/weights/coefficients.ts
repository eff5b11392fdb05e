import type { AdapterKind } from "../adapters/kind.ts";
import type { Place } from "../diagnostics/diagnostic.ts";
import { inputError } from "../diagnostics/error.ts";
import type { DType } from "../ir/dtype.ts";
import { encodeNumbers, numbersOf } from "./convert.ts";

/**
 * An adapter's coefficients by name, none of which is infinite in the type that the graph computes in: infinity times
 * the zeros of a fresh adapter is no number.
 *
 * @param place the adapter's site, and the file it comes from
 * @throws TfcError ADAPTER_FACTOR_TOO_LARGE
 */
export function coefficientsIn(
  dtype: DType,
  kind: AdapterKind,
  settings: object,
  place: Place,
): ReadonlyMap<string, number> {
  const coefficients = Object.entries(kind.coefficients(settings));
  for (const [name, value] of coefficients) {
    if (Number.isFinite(rounded(value, dtype))) continue;
    throw inputError("ADAPTER_FACTOR_TOO_LARGE", place, { name, value, dtype });
  }
  return new Map(coefficients);
}

/** A number as a type holds it. */
export function rounded(value: number, dtype: DType): number {
  return numbersOf(encodeNumbers(Float64Array.of(value), dtype), dtype)(0);
}
