import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { inlinedSize, MOST_INLINED } from "../../compiler/ir/inlined-size.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { importModel } from "../../compiler/onnx/import.ts";

/**
 * Refuses a model whose functions are too many nodes once each call is written out, as onnxruntime does where it has no
 * kernel of a function: functions that call the next one twice take it memory and time without an end, and nothing
 * interrupts it.
 *
 * @throws TfcError FUNCTIONS_TOO_LARGE; FUNCTION_RECURSIVE
 */
export function checkFunctionsSize(file: string): void {
  const model = readable(file);
  if (model === null || model.functions.size === 0) return;
  const nodes = inlinedSize(model, new Set(model.functions.values()));
  if (nodes > MOST_INLINED) throw inputError("FUNCTIONS_TOO_LARGE", { file }, { nodes, most: MOST_INLINED });
}

/** Null for what tfc does not read: onnxruntime may read it, or says why not. */
function readable(file: string): Model | null {
  try {
    return importModel(file).model;
  } catch (fault) {
    if (fault instanceof TfcError && fault.code !== "FUNCTION_RECURSIVE") return null;
    throw fault;
  }
}
