import { initialPieces } from "../../compiler/adapters/init.ts";
import type { Pieces } from "../../compiler/ir/pieces.ts";
import { encodeNumbers } from "../../compiler/weights/convert.ts";
import { sizeOf } from "../../compiler/weights/weight.ts";

/** Of matrices, as transformers' `initializer_range` is unless a model says otherwise. */
const STD = 0.02;

/** How the weights of a base begin that nobody has trained. */
export interface Fresh {
  readonly seed: number;
  /** A norm's weight that changes nothing: 1, or 0 where the norm multiplies by 1 + W. */
  readonly neutralNorm: 0 | 1;
}

/**
 * First numbers of a weight as Hugging Face's models of the Llama family begin: matrices normally distributed, norms
 * that only normalize, biases of zeros. They depend on seed and name alone.
 *
 * @returns floats, little-endian
 */
export function freshPieces(
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
  { seed, neutralNorm }: Fresh,
): Pieces {
  const count = sizeOf({ shape });
  if (shape.length > 1) return initialPieces({ kind: "normal", std: STD }, "float", count, seed, name);
  // Among them the corrections of a mixture's scores.
  const number = name.endsWith("bias") ? 0 : neutralNorm;
  return encodeNumbers(new Float64Array(count).fill(number), "float");
}
