import type { Value } from "../../ir/value.ts";
import { Polynomial } from "../symbolic/polynomial.ts";
import type { RotaryReading } from "./rotary-reading.ts";

/** A value that holds the cosines, or sines, of each position of a run. */
export interface RotaryTable {
  /** `[batch, sequence, n]`, the batch being left out where the value has two axes; an axis of one head may be among them. */
  readonly value: Value;
  /** Which axis is that of one head; null for none. */
  readonly headAxis: 1 | 2 | null;
  /** Whether there is one row for all of a batch. */
  readonly isShared: boolean;
  /** One for each two features that belong together: the first ones of the last axis, or each second one. */
  readonly step: 1 | 2;
  /** How many the last axis has in all. */
  readonly width: number;
}

/**
 * The first value in which a factor stands for each position.
 *
 * @param factor what features are multiplied by
 * @param among values that it may be an element of
 * @param headAxis of what is turned
 */
export function findTable(
  factor: Polynomial,
  among: readonly Value[],
  reading: RotaryReading,
  headAxis: 1 | 2,
): RotaryTable | null {
  for (const value of among) {
    const table = asTable(value, reading, headAxis);
    if (table === null) continue;
    const { index, ...rest } = table;
    for (const step of [1, 2] as const) {
      const feature = reading.feature(step === 1 ? "halves" : "pairs", 0);
      if (reading.at(value, [...index, feature])?.equals(factor) === true) return { ...rest, step };
    }
  }
  return null;
}

/** A value as a table, if its shape is that of one, with the index of all but its last axis. */
function asTable(
  value: Value,
  reading: RotaryReading,
  headAxis: 1 | 2,
): (Omit<RotaryTable, "step"> & { readonly index: readonly Polynomial[] }) | null {
  const sizes = reading.shapes.of(value);
  const width = sizes?.at(-1)?.constant ?? null;
  if (!sizes || width === null || sizes.length < 2 || sizes.length > 4) return null;
  const axes = { 2: [3 - headAxis], 3: [0, 3 - headAxis], 4: [0, 1, 2] }[sizes.length] ?? [];
  // Whatever is turned has one size for each position; a batch may share a row, and heads must.
  const isShared = sizes.length === 2 || (sizes[0]?.constant === 1 && reading.sizes[0]?.constant !== 1);
  const isFitting = axes.every((axis, i) => {
    const size = sizes[i];
    if (axis === headAxis || (axis === 0 && isShared)) return size?.constant === 1;
    return size?.key === reading.sizes[axis]?.key;
  });
  if (!isFitting) return null;
  const index = axes.map((axis, i) => (sizes[i]?.constant === 1 ? Polynomial.ZERO : reading.place(axis)));
  return { value, headAxis: sizes.length === 4 ? headAxis : null, isShared, width, index };
}
