import { inputError } from "../../compiler/diagnostics/error.ts";
import type { SamplingOptions } from "./sampling.ts";

/**
 * A look at each option of sampling: NaN compares false with everything, and would otherwise choose some token
 * silently.
 *
 * @throws TfcError GENERATE_OPTION
 */
export function checkSampling(options: SamplingOptions): void {
  const { repetitionPenalty, temperature, topK, topP, minP, seed } = options;
  check(
    "repetitionPenalty",
    repetitionPenalty,
    "a finite number above 0",
    (n) => Number.isFinite(n) && n > 0,
  );
  check("temperature", temperature, "a finite number, 0 or more", (n) => Number.isFinite(n) && n >= 0);
  check("topK", topK, "a whole number, 0 or more", isCount);
  check("topP", topP, "a number from 0 to 1", isShare);
  check("minP", minP, "a number from 0 to 1", isShare);
  check("seed", seed, "a whole number, 0 or more", isCount);
}

/**
 * Token ids of a prompt or a step.
 *
 * @throws TfcError GENERATE_OPTION naming the first that is none; one below zero would count from the vocabulary's end
 */
export function checkIds(ids: readonly number[]): void {
  const wanted = "token ids: whole numbers, 0 or more";
  ids.forEach((id, i) => {
    if (!isCount(id)) throw refused("the prompt", wanted, `${String(id)} at index ${i}`);
  });
}

/** @throws TfcError GENERATE_OPTION for what is no whole number from `least` on */
export function checkCount(option: string, value: unknown, least: number): void {
  check(option, value ?? null, `a whole number, ${least} or more`, (n) => isCount(n) && n >= least);
}

function isShare(n: number): boolean {
  return n >= 0 && n <= 1;
}

/** Whether a value is a whole number, 0 or more. */
export function isCount(n: unknown): n is number {
  return typeof n === "number" && Number.isSafeInteger(n) && n >= 0;
}

function check(option: string, value: unknown, wanted: string, fits: (value: number) => boolean): void {
  if (value === undefined || (typeof value === "number" && fits(value))) return;
  throw refused(option, wanted, value);
}

/** GENERATE_OPTION, of a value that an option has. */
export function refused(option: string, wanted: string, value: unknown): Error {
  const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "bigint";
  const found = value === null ? "null" : isPlain ? String(value) : `a value of type ${typeof value}`;
  return inputError("GENERATE_OPTION", {}, { option, wanted, found });
}
