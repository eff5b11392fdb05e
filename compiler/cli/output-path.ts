import { windowsPath } from "../compile/output-path.ts";
import { diagnostic } from "../diagnostics/diagnostic.ts";
import { TfcError } from "../diagnostics/error.ts";
import { printDiagnostics } from "./output.ts";

/**
 * Warns of an output's path in the form of Windows before anything is done: what follows may take long and fill a disk.
 *
 * @param options of any command
 * @throws TfcError STRICT
 */
export function checkOutputPath({ output, strict }: Readonly<Record<string, unknown>>): void {
  const warning = typeof output === "string" ? windowsPath(output) : null;
  if (warning === null) return;
  if (strict === true) throw new TfcError("input", [diagnostic("STRICT", {}, { warnings: 1 }), warning]);
  printDiagnostics([warning]);
}
