import type { Result } from "../../model/types.ts";

/** Tokens of a request: each prompt counts once, however many answers it has. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** @param n answers of each prompt, which follow one another */
export function usageOf(results: readonly Result[], n: number): Usage {
  const prompt = results.reduce((sum, result, i) => sum + (i % n === 0 ? result.prompt : 0), 0);
  const completion = results.reduce((sum, result) => sum + result.new, 0);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}
