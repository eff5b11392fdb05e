import { caseText, type Case } from "../session/dims.ts";
import type { Tensors } from "../session/tensor.ts";
import { isFloating } from "../session/tensor.ts";
import { compare, largestOf, type Agreement, type Difference } from "./compare.ts";

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
  /** Whether it is the shape that differs, or the type. */
  readonly isOfShape: boolean;
}

/** How far an output of the base lies from itself: what onnxruntime does to it, whatever was compiled. */
export interface Noise {
  readonly output: string;
  readonly case: Case;
  /**
   * `runs`: the base, run twice; `graphs`: the base, and the base with its modules named and nothing added; `roundings`:
   * what the compiled graph is held against, and the same with what its modules read changed about as much as roundings do
   */
  readonly between: "runs" | "graphs" | "roundings";
  /** null where it is no number: NaN or infinity on one side, or other dims */
  readonly maxAbs: number | null;
  /** false where two graphs lie too far apart for rounding: that excuses nothing */
  readonly isExcuse: boolean;
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
  /** whether every output is within the tolerance, or no further off than the base is from itself */
  readonly same: boolean;
  /**
   * What the outputs agree by, of the one that needs most: see {@link Agreement}; `noise`: no further off than the base
   * is from itself; null where they are equal, or differ
   */
  readonly by: Agreement | "noise" | null;
  /** what `ulps` and `share` of `by` allow */
  readonly halfUlps: number;
  readonly share: number;
  readonly worst: Worst | null;
  /** where an output was beyond the tolerance: how far the base is from itself there, if at all */
  readonly noise: readonly Noise[];
}

/** What a difference may be. */
export interface Allowed {
  readonly tolerance: number;
  /** units in the last place of a float16; 0 for what is not computed in half precision */
  readonly halfUlps: number;
  /** share of an output's largest element; none where sums are added up in one order */
  readonly share?: number;
}

interface Entry {
  readonly output: string;
  readonly case: Case;
  readonly difference: Difference;
}

/**
 * Of two runs that differ by noise, either may be the one compared with: twice the noise lies between the farthest. Of
 * what a model makes of roundings there are a few draws, whose largest another one may pass.
 */
const NOISE_FACTOR: Readonly<Record<Noise["between"], number>> = { runs: 2, graphs: 2, roundings: 4 };

/**
 * Two graphs of the same nodes may round otherwise, at worst where one of them is quantized on the way; of the largest
 * element that is a share of this size. The control is tfc's own work: where it is further off, it is wrong.
 */
const ROUNDING_SHARE = 0.02;

/** From what asks least to what asks most. */
const agreements = [null, "absolute", "relative", "ulps", "share", "noise"] as const;

/** Gathers the differences of a level. */
export class Tally {
  readonly #cases: Case[] = [];
  readonly #differences: Entry[] = [];
  readonly #noise = new Map<string, Noise>();
  readonly #allowed: Allowed;
  /** The largest that was allowed. */
  #share = 0;
  #outputs = 0;

  constructor(allowed: Allowed) {
    this.#allowed = allowed;
  }

  /** @param allowed Default: as everywhere. */
  add(sizes: Case, want: Tensors, got: Tensors, allowed: Allowed = this.#allowed): void {
    if (!this.#cases.includes(sizes)) this.#cases.push(sizes);
    this.#outputs = want.size;
    const { tolerance, halfUlps, share } = allowed;
    this.#share = Math.max(this.#share, share ?? 0);
    for (const [output, tensor] of want) {
      const other = got.get(output);
      if (other === undefined) continue;
      const difference = compare(tensor, other, tolerance, halfUlps, share);
      this.#differences.push({ output, case: sizes, difference });
    }
  }

  /** The cases in which an output lies beyond the tolerance. */
  get failing(): readonly Case[] {
    const failing = this.#differences.filter(({ difference }) => !difference.same);
    return [...new Set(failing.map((entry) => entry.case))];
  }

  /** How far two runs of the base lie apart, of which neither is the compiled graph's. */
  addNoise(sizes: Case, between: Noise["between"], one: Tensors, other: Tensors): void {
    for (const [output, tensor] of one) {
      const again = other.get(output);
      if (again === undefined) continue;
      const { exact, maxAbs } = compare(tensor, again, 0);
      const before = this.#noise.get(keyOf(output, sizes));
      if (exact || (before !== undefined && magnitude(before.maxAbs) >= magnitude(maxAbs))) continue;
      const rounding = isFloating(tensor.dtype) ? ROUNDING_SHARE * largestOf(tensor) : 0;
      const isExcuse = between === "runs" || magnitude(maxAbs) <= rounding;
      this.#noise.set(keyOf(output, sizes), { output, case: sizes, between, maxAbs, isExcuse });
    }
  }

  report(optimizations: Level): LevelReport {
    const all = this.#differences;
    const unequal = all.filter(({ difference }) => !difference.exact);
    const same = all.every((entry) => this.#isSame(entry));
    const { tolerance, halfUlps } = this.#allowed;
    const [worst] = unequal.toSorted((a, b) => this.#severity(b) - this.#severity(a));
    return {
      optimizations,
      tolerance,
      halfUlps,
      share: this.#share,
      cases: this.#cases,
      outputs: this.#outputs,
      maxAbs: largest(all.map(({ difference }) => difference.maxAbs)),
      maxRel: largest(all.map(({ difference }) => difference.maxRel)),
      exact: unequal.length === 0,
      same,
      by: same ? agreementOf(unequal) : null,
      worst: worst === undefined ? null : worstOf(worst.output, worst.case, worst.difference),
      noise: [...this.#noise.values()],
    };
  }

  /** Where the base is not a number apart from itself, nothing can be said of the compiled graph either. */
  #isSame({ output, case: sizes, difference }: Entry): boolean {
    if (difference.same) return true;
    const noise = this.#noise.get(keyOf(output, sizes));
    if (noise?.isExcuse !== true) return false;
    const allowed = this.#allowed.tolerance + NOISE_FACTOR[noise.between] * magnitude(noise.maxAbs);
    return magnitude(difference.maxAbs) <= allowed;
  }

  /** What is beyond all that is allowed comes before what is within, and what is no number before both. */
  #severity(entry: Entry): number {
    const { maxAbs } = entry.difference;
    const size = magnitude(maxAbs) / (1 + magnitude(maxAbs));
    return (this.#isSame(entry) ? 0 : 2) + (maxAbs === null ? 1 : size);
  }
}

function agreementOf(entries: readonly Entry[]): LevelReport["by"] {
  const needed = entries.map(({ difference }) =>
    agreements.indexOf(difference.same ? difference.by : "noise"),
  );
  return agreements[Math.max(0, ...needed)] ?? null;
}

function keyOf(output: string, sizes: Case): string {
  return `${caseText(sizes)} ${output}`;
}

function magnitude(maxAbs: number | null): number {
  return maxAbs ?? Infinity;
}

function worstOf(output: string, sizes: Case, { maxAbs, maxRel, detail }: Difference): Worst {
  const text = detail ?? "";
  // An element begins with its place.
  return { output, case: sizes, maxAbs, maxRel, detail: text, isOfShape: !text.startsWith("[") };
}

function largest(values: readonly (number | null)[]): number | null {
  return values.reduce((most, value) => (most === null || value === null ? null : Math.max(most, value)), 0);
}
