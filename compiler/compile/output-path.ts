import { resolve } from "node:path";
import { diagnostic, type Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sink } from "../diagnostics/sink.ts";

/** A warning about an output's path in the form of Windows where that is one file's name, or null. */
export function windowsPath(output: string): Diagnostic | null {
  // A drive, or a folder before a backslash.
  if (process.platform === "win32" || !/^[A-Za-z]:[\\/]|\\/.test(output)) return null;
  return diagnostic("OUTPUT_PATH_WINDOWS", { file: output }, { path: resolve(output) });
}

/** Reports {@link windowsPath}. */
export function reportOutputPath(output: string, sink: Sink): void {
  const warning = windowsPath(output);
  if (warning !== null) sink.diagnostics.push(warning);
}
