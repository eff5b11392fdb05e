import { compareAdapters, type Comparison } from "../../weights/compare.ts";
import { readAdapter, type Hints } from "../../weights/read-adapter.ts";
import { checkGiven, holds, type Checks } from "../check-given.ts";

/** How to compare two adapters. */
export interface DiffOptions {
  /** How far two numbers may lie apart, absolute or relative. Default 0. */
  readonly tolerance?: number;
  /** What the files do not say of themselves, such as `{ alpha: 16 }`. */
  readonly settings?: Hints;
}

/** What two adapters differ in. */
export interface AdapterDiff extends Comparison {
  readonly a: string;
  readonly b: string;
  /** Whether there are no differences. */
  readonly same: boolean;
}

const checks: Checks<DiffOptions> = {
  tolerance: ["a number, 0 or more", (value) => typeof value === "number" && value >= 0],
  settings: holds.settings,
};

/**
 * Compares two adapters, whatever their formats: sites, settings, shapes and numbers. Of each, one weight is in memory.
 *
 * @param a a file or folder
 * @param b another one
 * @throws TfcError as reading an adapter does; ADAPTER_NOT_FINITE. A difference is no error: see `same`
 */
export function diffAdapters(a: string, b: string, options: DiffOptions = {}): AdapterDiff {
  checkGiven(options, checks, "diffAdapters", []);
  const { tolerance = 0, settings } = options;
  const comparison = compareAdapters(readAdapter(a, settings), readAdapter(b, settings), tolerance);
  return { a, b, same: comparison.differences.length === 0, ...comparison };
}
