import { compare, type Difference } from "./compare.ts";
import type { Case } from "../session/dims.ts";
import type { Tensors } from "../session/tensor.ts";

/** A level of onnxruntime's graph optimisation. */
export type Level = "off" | "all";

/** An output in the case where it differs most. */
export interface Worst {
  readonly output: string;
  readonly case: Case;
  readonly maxAbs: number | null;
  readonly maxRel: number | null;
  /** the element, as `[0,3,17]: 1.25 instead of 1.5`, or the dims */
  readonly detail: string;
}

/** What was found at one level. */
export interface LevelReport {
  readonly optimizations: Level;
  readonly tolerance: number;
  readonly cases: readonly Case[];
  /** how many outputs were compared in each case */
  readonly outputs: number;
  /** largest absolute and relative difference of any element; null where one was no number */
  readonly maxAbs: number | null;
  readonly maxRel: number | null;
  readonly exact: boolean;
  /** whether every output is within the tolerance */
  readonly same: boolean;
  readonly worst: Worst | null;
}

/** Gathers the differences of a level. */
export class Tally {
  readonly #cases: Case[] = [];
  readonly #differences: { readonly output: string; readonly case: Case; readonly difference: Difference }[] =
    [];
  #outputs = 0;

  add(sizes: Case, want: Tensors, got: Tensors, tolerance: number): void {
    this.#cases.push(sizes);
    this.#outputs = want.size;
    for (const [output, tensor] of want) {
      const other = got.get(output);
      if (other === undefined) continue;
      this.#differences.push({ output, case: sizes, difference: compare(tensor, other, tolerance) });
    }
  }

  report(optimizations: Level, tolerance: number): LevelReport {
    const all = this.#differences;
    const unequal = all.filter(({ difference }) => !difference.exact);
    const [worst] = unequal.toSorted((a, b) => severity(b.difference) - severity(a.difference));
    return {
      optimizations,
      tolerance,
      cases: this.#cases,
      outputs: this.#outputs,
      maxAbs: largest(all.map(({ difference }) => difference.maxAbs)),
      maxRel: largest(all.map(({ difference }) => difference.maxRel)),
      exact: unequal.length === 0,
      same: all.every(({ difference }) => difference.same),
      worst: worst === undefined ? null : worstOf(worst.output, worst.case, worst.difference),
    };
  }
}

function worstOf(output: string, sizes: Case, { maxAbs, maxRel, detail }: Difference): Worst {
  return { output, case: sizes, maxAbs, maxRel, detail: detail ?? "" };
}

/** What is beyond the tolerance comes before what is within, and what is no number before both. */
function severity({ same, maxAbs }: Difference): number {
  if (maxAbs === null) return Number.MAX_VALUE;
  return same ? maxAbs / (1 + maxAbs) : 1 + Math.min(maxAbs, Number.MAX_VALUE / 2);
}

function largest(values: readonly (number | null)[]): number | null {
  return values.reduce((most, value) => (most === null || value === null ? null : Math.max(most, value)), 0);
}
