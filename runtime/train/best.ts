import { existsSync } from "node:fs";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { BEST_KEY } from "../../compiler/ops/training.ts";
import { openSafetensors } from "../../compiler/weights/safetensors/weights.ts";
import { parseBest, type Best } from "./checkpoint/progress.ts";

/** What the adapter of the best evaluation says of itself. */
export function bestMetadata(best: Best): ReadonlyMap<string, string> {
  return new Map([[BEST_KEY, JSON.stringify(best)]]);
}

/**
 * The evaluation that a run's best adapter is of, as its file says. A checkpoint may know of an earlier one, or of none:
 * a run that is killed has evaluated since.
 *
 * @param saved what the checkpoint knows, which counts where the file says nothing: older versions wrote it so
 * @returns null where there is no such file, or none that can be read: the next evaluation writes one
 */
export function bestIn(file: string, saved: Best | null): Best | null {
  if (!existsSync(file)) return null;
  try {
    const said = openSafetensors(file).metadata.get(BEST_KEY);
    return said === undefined ? saved : parseBest(said);
  } catch (error) {
    if (error instanceof TfcError) return null;
    throw error;
  }
}
