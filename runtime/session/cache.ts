import { inputError } from "../../compiler/diagnostics/error.ts";
import { slotOf } from "../../compiler/ops/ports/cache-slots.ts";
import { roleOf } from "./roles.ts";
import type { Port } from "./tensor.ts";

/** An input that takes what an output gave in the step before. */
export interface CacheEntry {
  readonly past: Port;
  /** name of the output */
  readonly present: string;
}

/**
 * Pairs the cache inputs of a graph with its outputs: by layer number and part, however the two are spelled
 * (`past_key_values.3.key` and `present.3.key`, `past_key_3` and `present_key_3`, `past_3` and `present_3`).
 *
 * @returns one entry for each cache input; none for a graph without a cache.
 * @throws TfcError GENERATE_UNSUPPORTED when an input has no output of its layer and part, or two.
 */
export function pairCache(inputs: readonly Port[], outputs: readonly Port[]): CacheEntry[] {
  const slots = new Map<string, string[]>();
  for (const { name } of outputs) {
    const slot = slotOf(name);
    if (slot !== null) slots.set(slot, [...(slots.get(slot) ?? []), name]);
  }
  return inputs
    .filter((port) => ["past", "pages"].includes(roleOf(port)))
    .map((past) => {
      const [present, ...more] = slots.get(slotOf(past.name) ?? "") ?? [];
      if (present !== undefined && more.length === 0) return { past, present };
      throw inputError(
        "GENERATE_UNSUPPORTED",
        { name: past.name },
        {
          what: `the cache input "${past.name}" cannot be paired with an output`,
          wanted: "one output of its layer and part, such as present.0.key for past_key_values.0.key",
          found: present === undefined ? "none" : [present, ...more].join(", "),
        },
      );
    });
}
