import { inputError } from "../diagnostics/error.ts";
import { isSystemError } from "../diagnostics/system-error.ts";

/** What to do where a file of the build step cannot be written, by what it is. */
const fixes = {
  cache: "make the folder writable, or name another one with the plugin's option `cache`",
  types:
    "make the folder writable, name another file with the plugin's option `types`, or give `types: false`",
};

/**
 * Writes something of the build step's own.
 *
 * @param what what it is, by the option that says where it lies
 * @throws TfcError FILE_NOT_WRITABLE in place of what the file system says; other errors as they are
 */
export function writing<T>(what: keyof typeof fixes, file: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw inputError("FILE_NOT_WRITABLE", { file }, { file, why: cause.message, fix: fixes[what] }, cause);
  }
}
