/** A cache from which attention evicts: the positions that are seen, and the places that there are for them. */
export interface CacheWindow {
  readonly seen: number;
  readonly places: number;
}

/** Places beyond the window, as a share of it: what is evicted is moved over once for so many tokens. */
const SLACK = 1 / 8;

/** The room to give a cache of a window. CUDA's kernel takes the window's own and no more. */
export function windowFor(seen: number, provider: string): CacheWindow {
  return { seen, places: provider === "cuda" ? seen : seen + Math.ceil(seen * SLACK) };
}

/**
 * How many of a row's tokens are in such a cache: they stand at its front, the last one last. As the definition of
 * `com.microsoft::GroupQueryAttention` has it: what is beyond the room is evicted as many positions at a time as there
 * are beyond the window, whichever steps the tokens came in.
 *
 * @param tokens that were fed, from the first one on
 */
export function residentOf({ seen, places }: CacheWindow, tokens: number): number {
  if (tokens <= places) return tokens;
  const evicted = places - seen + 1;
  return tokens - evicted * Math.ceil((tokens - places) / evicted);
}
