import { resolve } from "node:path";
import { diagnostic } from "../diagnostics/diagnostic.ts";
import { TfcError } from "../diagnostics/error.ts";
import { printDiagnostics } from "./output.ts";

/**
 * Warns of an output's path in the form of Windows where that is one file's name: before anything is done, since what
 * follows may take long and fill a disk.
 *
 * @param options of any command
 * @throws TfcError STRICT
 */
export function checkOutputPath({ output, strict }: Readonly<Record<string, unknown>>): void {
  if (process.platform === "win32" || typeof output !== "string") return;
  // A drive, or a folder before a backslash.
  if (!/^[A-Za-z]:[\\/]|\\/.test(output)) return;
  const warning = diagnostic("OUTPUT_PATH_WINDOWS", { file: output }, { path: resolve(output) });
  if (strict === true) throw new TfcError("input", [diagnostic("STRICT", {}, { warnings: 1 }), warning]);
  printDiagnostics([warning]);
}
