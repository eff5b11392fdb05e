import { renameSync, writeFileSync } from "node:fs";
import { requiredInputs } from "../../runtime/session/optional-inputs.ts";
import type { Tensors } from "../../runtime/session/tensor.ts";

/**
 * Makes the optional inputs of a graph required ones, in its file: onnxruntime's JavaScript bindings do not take what
 * such inputs are fed.
 *
 * @returns what they are to be fed where nothing else is said
 */
export function requireInputs(file: string): Tensors {
  const required = requiredInputs(file);
  if (required === null) return new Map();
  writeFileSync(`${file}.new`, required.bytes);
  renameSync(`${file}.new`, file);
  return required.defaults;
}
