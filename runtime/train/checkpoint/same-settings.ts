import { inputError } from "../../../compiler/diagnostics/error.ts";
import type { RunSettings } from "./progress.ts";

/**
 * Refuses to go on with other settings than a run was begun with: the next step would not be the one that it would have
 * made.
 *
 * @throws TfcError TRAIN_SETTINGS, which names each that differs
 */
export function checkSameSettings(file: string, begun: RunSettings, now: RunSettings): void {
  const names = [...new Set([...Object.keys(begun), ...Object.keys(now)])];
  const different = names.filter((name) => (begun[name] ?? null) !== (now[name] ?? null));
  if (different.length === 0) return;
  const shown = (settings: RunSettings): string =>
    different.map((name) => `\`${name}\` ${String(settings[name] ?? "left out")}`).join(", ");
  throw inputError("TRAIN_SETTINGS", { file }, { wanted: shown(begun), found: shown(now) });
}
