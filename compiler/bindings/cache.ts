import type { Model } from "../ir/model.ts";
import type { DecodeLoop } from "../ops/decode-loop.ts";
import { KV_LENGTH_KEY } from "../ops/kv.ts";
import { slotOf } from "../ops/ports/cache-slots.ts";
import type { DescribedCache, DescribedInput, DescribedPort } from "./description.ts";

/** Says how a graph keeps keys and values, and which output is the next value of which input. */
export function cacheOf(
  { meta }: Model,
  inputs: readonly DescribedInput[],
  outputs: readonly DescribedPort[],
  loop: DecodeLoop | null,
): DescribedCache {
  const caches = inputs.filter(({ role }) => role === "past" || role === "pages");
  if (caches.length === 0)
    return { form: loop === null ? "none" : "inside", length: loop?.room ?? null, slots: [] };
  const slots = caches.map(({ name }) => ({ past: name, present: presentOf(name, outputs) }));
  if (caches.some(({ role }) => role === "pages")) return { form: "paged", length: null, slots };
  const shared = Number(meta.get(KV_LENGTH_KEY));
  if (Number.isSafeInteger(shared) && shared > 0) return { form: "shared", length: shared, slots };
  const fixed = caches.map(({ dims }) => dims?.at(-2)).find((places) => typeof places === "number");
  return { form: fixed === undefined ? "concat" : "fixed", length: fixed ?? null, slots };
}

/** The output of the same layer and part; null where there is none, or more than one. */
function presentOf(past: string, outputs: readonly DescribedPort[]): string | null {
  const slot = slotOf(past);
  const [first, ...more] = outputs.filter(({ name }) => slot !== null && slotOf(name) === slot);
  return first === undefined || more.length > 0 ? null : first.name;
}
