import { residentOf } from "../engine/window.ts";
import { pairCache } from "../session/cache.ts";
import type { Case } from "../session/dims.ts";
import type { Signature } from "../session/feeds.ts";
import { resized } from "../session/shared-caches.ts";
import type { Tensors } from "../session/tensor.ts";

/**
 * Results without what caches hold behind their tokens, where they hold a window and no more: what is there is left open.
 *
 * @param rooms places of such caches, those of their windows, by symbol
 */
export function ofWindows(
  results: Tensors,
  { inputs, outputs }: Signature,
  rooms: ReadonlyMap<string, number> = new Map(),
  { past, sequence }: Case,
): Tensors {
  if (rooms.size === 0) return results;
  const kept = new Map(
    pairCache(inputs, outputs).flatMap(({ past: port, present }) => {
      const seen = rooms.get(String(port.dims.at(-2)));
      return seen === undefined ? [] : [[present, residentOf({ seen, places: seen }, past + sequence)]];
    }),
  );
  return new Map(
    [...results].map(([name, tensor]) => {
      const tokens = kept.get(name);
      return [name, tokens === undefined ? tensor : resized(tensor, tokens)];
    }),
  );
}
