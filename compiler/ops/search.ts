import type { Value } from "../ir/value.ts";

/**
 * Finds something out about a value from what it is computed from. Each value is looked at once, however often it is
 * read on the way, and what only a longer chain of ops would tell counts as unknown.
 *
 * @param furthest how many ops away a value is still looked at
 * @param find what is known of a value; `above` asks for one that it is computed from
 * @param known what is known beforehand
 */
export function search<T>(
  furthest: number,
  find: (value: Value, above: (value: Value | null) => T | null) => T | null,
  known = new Map<Value, T | null>(),
): (value: Value | null) => T | null {
  const look = (value: Value | null, depth: number): T | null => {
    if (value === null || depth > furthest) return null;
    let found = known.get(value);
    if (found === undefined) {
      found = find(value, (next) => look(next, depth + 1));
      known.set(value, found);
    }
    return found;
  };
  return (value) => look(value, 0);
}
