import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { dtypeOf } from "../../compiler/ir/dtype.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { absentData } from "../../compiler/onnx/absent.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import type { Provider } from "./devices.ts";
import { runtimeFailed } from "./ort.ts";

/**
 * The error of a model that onnxruntime does not load. Of files that are cut short, missing or something else than
 * their names say, onnxruntime speaks in terms of its own source; tfc's reader says which file it is and what to do.
 *
 * @param cause what onnxruntime threw
 */
export function modelRefused(
  file: string,
  cause: unknown,
  provider: Provider,
  optimizations?: "off" | "all",
): TfcError {
  return (
    fileFault(file, cause) ??
    pagedFault(file, cause) ??
    kernelFault(file, cause, provider) ??
    runtimeFailed(file, cause, optimizations)
  );
}

/** The error of an op that a provider has no kernel for; null where onnxruntime speaks of something else. */
function kernelFault(file: string, cause: unknown, provider: Provider): TfcError | null {
  const why = cause instanceof Error ? cause.message : String(cause);
  const said = /Could not find an implementation for ([\w.:]+)\((\d+)\) node with name '([^']*)'/.exec(why);
  if (said === null) return null;
  const [, op = "", opset, name = ""] = said;
  const type = hasBfloat16(file) ? "bfloat16" : null;
  const place = name === "" ? { file } : { file, name };
  return inputError("RUNTIME_NO_KERNEL", place, { op, opset: Number(opset), provider, type }, cause);
}

/** Whether numbers of a graph are bfloat16; false too of one that tfc does not read. */
function hasBfloat16(file: string): boolean {
  try {
    return computesInBfloat16(importModel(file).model);
  } catch (fault) {
    if (fault instanceof TfcError) return false;
    throw fault;
  }
}

function computesInBfloat16({ graph, functions }: Model): boolean {
  const graphs = [graph, ...[...functions.values()].map(({ body }) => body)];
  const ports = [...graph.inputs, ...graph.outputs, ...graph.initializers];
  if (ports.some((value) => elementTypeOf(value) === "bfloat16")) return true;
  return graphs.some((one) =>
    [...nodesDeep(one)].some((node) => node.op === "Cast" && dtypeOf(node.int("to") ?? 0) === "bfloat16"),
  );
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
