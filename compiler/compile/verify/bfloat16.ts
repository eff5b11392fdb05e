import { diagnostic, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import { inputError } from "../../diagnostics/error.ts";
import { Sink } from "../../diagnostics/sink.ts";
import { asTensor } from "../../ir/type.ts";
import { openModel } from "../../onnx/open.ts";

/**
 * Looks for bfloat16 before anything is loaded and run.
 *
 * @returns a note where weights are bfloat16 and the graph runs on the CPU, or null
 * @throws TfcError VERIFY_BFLOAT16 where an input or output is bfloat16, which JavaScript cannot hold
 */
export function checkBfloat16(file: string, provider: string): Diagnostic | null {
  const { graph } = openModel(file, new Sink()).model;
  const port = [...graph.inputs, ...graph.outputs].find(({ type }) => asTensor(type)?.dtype === "bfloat16");
  if (port !== undefined) {
    const name = port.name ?? "";
    throw inputError("VERIFY_BFLOAT16", { file, name }, { name });
  }
  const hasWeights = [...graph.initializers].some(({ constant }) => constant?.dtype === "bfloat16");
  return hasWeights && provider === "cpu" ? diagnostic("VERIFY_BFLOAT16_CPU", { file }, {}) : null;
}
