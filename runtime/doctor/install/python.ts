import { inputError } from "../../../compiler/diagnostics/error.ts";
import { ask } from "../ask.ts";

/** pip's first version whose report names what it would install (`--dry-run --report`). */
const LEAST_PIP = [22, 2] as const;

/** The person's Python, as TFC_PYTHON or PYTHON name it; else python3. */
export function pythonCommand(): string {
  return process.env["TFC_PYTHON"] ?? process.env["PYTHON"] ?? "python3";
}

/**
 * The Python whose pip fetches packages.
 *
 * @throws TfcError CUDA_INSTALL_PIP where there is none, or its pip is too old
 */
export function pythonWithPip(): string {
  const python = pythonCommand();
  const { status, stdout, stderr, failure } = ask(python, ["-m", "pip", "--version"]);
  if (failure !== null)
    throw inputError("CUDA_INSTALL_PIP", {}, { python, found: `${python} does not run: ${failure}` });
  if (status !== 0) {
    const found = lastLine(stderr) ?? `status ${status ?? ""}`;
    throw inputError("CUDA_INSTALL_PIP", {}, { python, found });
  }
  const [, major, minor] = /^pip (\d+)\.(\d+)/.exec(stdout) ?? [];
  const [least, leastMinor] = LEAST_PIP;
  const isNew = Number(major) > least || (Number(major) === least && Number(minor) >= leastMinor);
  if (!isNew) throw inputError("CUDA_INSTALL_PIP", {}, { python, found: stdout.trim() });
  return python;
}

/** The last line that says something. */
export function lastLine(text: string): string | undefined {
  return text
    .split("\n")
    .map((line) => line.trim())
    .findLast((line) => line !== "" && !line.startsWith("[notice]"));
}
