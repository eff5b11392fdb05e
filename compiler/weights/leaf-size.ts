import { inputError } from "../diagnostics/error.ts";

/** A tensor is made in memory: with the codes it is made from, this many elements take a few GiB. */
const MOST_ELEMENTS = 2 ** 30;

/** @throws TfcError ADAPTER_TOO_LARGE for a leaf that cannot be made in memory */
export function checkLeafSize(leaf: string, shape: readonly number[]): void {
  const elements = shape.reduce((a, b) => a * b, 1);
  if (elements < MOST_ELEMENTS) return;
  throw inputError("ADAPTER_TOO_LARGE", {}, { leaf, elements, most: MOST_ELEMENTS });
}
