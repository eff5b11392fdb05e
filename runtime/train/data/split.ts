import { shuffled } from "./shuffle.ts";

/** Examples to train on, and those that are held back to evaluate on. */
export interface Split {
  readonly train: Uint32Array;
  readonly evaluation: Uint32Array;
}

/**
 * Parts examples by a seed.
 *
 * @param examples their numbers
 * @param share of them that is held back; rounded, and never all
 */
export function splitExamples(examples: Uint32Array, share: number, seed: number): Split {
  const held = Math.min(Math.round(examples.length * share), examples.length - 1);
  const order = shuffled(examples.length, seed, "split").map((i) => examples[i] ?? 0);
  // In the order of the data: reading them goes through the file once.
  return {
    train: order.slice(Math.max(held, 0)).sort(),
    evaluation: order.slice(0, Math.max(held, 0)).sort(),
  };
}
