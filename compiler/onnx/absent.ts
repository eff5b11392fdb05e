import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { AbsentData } from "../diagnostics/codes-model.ts";

/**
 * What one message says of missing files.
 *
 * @param file the model's
 * @param missing how many tensors need each missing file, by its location
 * @returns null where none is missing
 */
export function absentData(file: string, missing: ReadonlyMap<string, number>): AbsentData | null {
  const [location] = missing.keys();
  if (location === undefined) return null;
  let tensors = 0;
  for (const count of missing.values()) tensors += count;
  const linkedTo = targetHaving(file, location);
  return { files: missing.size, location, tensors, ...(linkedTo === null ? {} : { linkedTo }) };
}

/** What a model's file leads to as a symbolic link, where its data lies beside that; else null. */
function targetHaving(file: string, location: string): string | null {
  if (!existsSync(file)) return null;
  const real = realpathSync(file);
  return real !== resolve(file) && existsSync(join(dirname(real), location)) ? real : null;
}
