import { shuffled } from "./shuffle.ts";
import type { TokenFile } from "./token-file.ts";

/** How examples become sequences: one behind the other and cut, or each for itself and filled up. */
export type Packing = "pack" | "pad";

/** One row of a batch. */
export interface Sequence {
  /** Marked tokens, at most as many as the length. */
  readonly tokens: Int32Array;
  /** The examples they are of. */
  readonly examples: readonly number[];
}

/** Examples as sequences, in another order each epoch. A sequence is found by its number: no state is kept. */
export interface Sequences {
  /** How many there are in an epoch. */
  readonly count: number;
  /** @param epoch from 0; null for the order of the data */
  at(epoch: number | null, index: number): Sequence;
}

/** @param length tokens of a sequence at most */
export function sequencesOf(
  tokens: TokenFile,
  examples: Uint32Array,
  { packing, length, seed }: { readonly packing: Packing; readonly length: number; readonly seed: number },
): Sequences {
  const orderOf = cached((epoch) =>
    epoch === null
      ? examples
      : shuffled(examples.length, seed, `epoch ${epoch}`).map((i) => examples[i] ?? 0),
  );
  return packing === "pack" ? packed(tokens, orderOf, length) : padded(tokens, orderOf, length);
}

type OrderOf = (epoch: number | null) => Uint32Array;

function padded(tokens: TokenFile, orderOf: OrderOf, length: number): Sequences {
  return {
    count: orderOf(null).length,
    at: (epoch, index) => {
      const example = orderOf(epoch)[index] ?? 0;
      const end = Math.min(length, tokens.length(example));
      return { tokens: tokens.tokens(example, 0, end), examples: [example] };
    },
  };
}

function packed(tokens: TokenFile, orderOf: OrderOf, length: number): Sequences {
  const startsOf = cached((epoch) => startsIn(tokens, orderOf(epoch)));
  const total = startsOf(null).at(-1) ?? 0;
  return {
    count: Math.ceil(total / length),
    at: (epoch, index) => {
      const [order, starts] = [orderOf(epoch), startsOf(epoch)];
      const [from, to] = [index * length, Math.min((index + 1) * length, total)];
      const joined = new Int32Array(to - from);
      const examples: number[] = [];
      for (let i = lastAtMost(starts, from); i < order.length && (starts[i] ?? to) < to; i++) {
        const [example = 0, start = 0] = [order[i], starts[i]];
        const [first, end] = [Math.max(from - start, 0), Math.min(to - start, tokens.length(example))];
        joined.set(tokens.tokens(example, first, end), start + first - from);
        examples.push(example);
      }
      return { tokens: joined, examples };
    },
  };
}

/** Where each example begins when they stand in this order, and where the last one ends. */
function startsIn(tokens: TokenFile, order: Uint32Array): Float64Array {
  const starts = new Float64Array(order.length + 1);
  let at = 0;
  for (const [i, example] of order.entries()) starts[i + 1] = at += tokens.length(example);
  return starts;
}

/** The last of rising numbers that is at most `value`. */
function lastAtMost(numbers: Float64Array, value: number): number {
  let [low, high] = [0, numbers.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((numbers[middle] ?? 0) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What was made last is kept: epochs come one after the other, with evaluations between. */
function cached<T>(make: (epoch: number | null) => T): (epoch: number | null) => T {
  const kept = new Map<boolean, { readonly epoch: number | null; readonly made: T }>();
  return (epoch) => {
    const isFixed = epoch === null;
    const known = kept.get(isFixed);
    if (known?.epoch === epoch) return known.made;
    const made = make(epoch);
    kept.set(isFixed, { epoch, made });
    return made;
  };
}
