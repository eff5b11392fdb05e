import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { absentData } from "../../compiler/onnx/absent.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { runtimeFailed } from "./ort.ts";

/**
 * The error of a model that onnxruntime does not load. Of files that are cut short, missing or something else than
 * their names say, onnxruntime speaks in terms of its own source; tfc's reader says which file it is and what to do.
 *
 * @param cause what onnxruntime threw
 */
export function modelRefused(file: string, cause: unknown, optimizations?: "off" | "all"): TfcError {
  return fileFault(file, cause) ?? pagedFault(file, cause) ?? runtimeFailed(file, cause, optimizations);
}

/** The error of a graph whose paged attention onnxruntime does not run here; null where it speaks of something else. */
function pagedFault(file: string, cause: unknown): TfcError | null {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (!/PagedAttention|unified_attention/.test(why)) return null;
  return inputError("PAGED_ATTENTION_UNRUN", { file }, { why }, cause);
}

/** What is wrong with a model's own file or with those of its weights; null where they can be read. */
function fileFault(file: string, cause: unknown): TfcError | null {
  try {
    const absent = absentData(file, importModel(file).missing);
    if (absent === null) return null;
    return inputError("EXTERNAL_DATA_MISSING", { file }, { ...absent, needsWeights: true }, cause);
  } catch (fault) {
    // What else tfc does not read onnxruntime may: that is not why it refused.
    return fault instanceof TfcError && /^(?:FILE|EXTERNAL)_/.test(fault.code) ? fault : null;
  }
}
