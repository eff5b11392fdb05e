import { inputError, internalError, TfcError } from "../../compiler/diagnostics/error.ts";

/** What went wrong in a run, as one of this package's errors: what is none of them is want of memory, or a bug. */
export function failureOf(file: string, cause: unknown): TfcError {
  if (cause instanceof TfcError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  // What JavaScript says where an array finds no memory.
  if (cause instanceof RangeError) return inputError("RUNTIME_FAILED", { file }, { why }, cause);
  return internalError({ file }, why, cause);
}

/** ENGINE_STOPPED: the thread is gone. */
export function stopped(file: string, cause: unknown): TfcError {
  if (cause instanceof TfcError) return cause;
  // An error of a thread is of another realm than this module where a test runs it.
  const isError = typeof cause === "object" && cause !== null && "message" in cause;
  const why = isError ? String(cause.message) : String(cause);
  return inputError("ENGINE_STOPPED", { file }, { why }, cause);
}
