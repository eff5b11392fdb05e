import type { AbsentData } from "../diagnostics/codes-model.ts";

/**
 * What one message says of missing files.
 *
 * @param missing how many tensors need each missing file, by its location
 * @returns null where none is missing
 */
export function absentData(missing: ReadonlyMap<string, number>): AbsentData | null {
  const [location] = missing.keys();
  if (location === undefined) return null;
  let tensors = 0;
  for (const count of missing.values()) tensors += count;
  return { files: missing.size, location, tensors };
}
