import { statSync, type Stats } from "node:fs";
import { inputError, TfcError } from "../diagnostics/error.ts";

/** What stands in the way of opening a file, in words. */
export function openFailure(cause: unknown): string {
  const code = codeOf(cause);
  if (code === "ENOENT" || code === "ENOTDIR") return "none at this path";
  if (code === "EACCES" || code === "EPERM") return "one that may not be read";
  return cause instanceof Error ? cause.message : String(cause);
}

/** The error of a file that cannot be opened: FILE_NOT_FOUND, which says what stands in the way. */
export function cannotOpen(file: string, cause: unknown): TfcError {
  return inputError("FILE_NOT_FOUND", { file }, { file, found: openFailure(cause) }, cause);
}

/** Does something with a file. @throws TfcError FILE_NOT_FOUND for all that `act` throws and that is no TfcError */
export function opening<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw cause instanceof TfcError ? cause : cannotOpen(file, cause);
  }
}

/**
 * What is at a path; null where nothing is, or where the path can name nothing. `existsSync` would say the same of a
 * file in a folder that may not be entered.
 *
 * @throws TfcError FILE_NOT_FOUND where it may not be looked at
 */
export function lookAt(file: string): Stats | null {
  try {
    return statSync(file);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === "EACCES" || code === "EPERM") throw cannotOpen(file, cause);
    return null;
  }
}

function codeOf(cause: unknown): unknown {
  return typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
}
