/**
 * A compiler for ONNX decoder graphs: puts Tokenformer and LoRA adapters into Llama-family models that run on
 * onnxruntime.
 *
 * @packageDocumentation
 */
export { compile, type AdapterEntry, type CompileOptions, type CompileReport } from "./compile/compile.ts";
export { merge, type MergeOptions, type MergeReport } from "./compile/merge.ts";
export { explain, type Explanation } from "./compile/explain.ts";
export { inspect, type Inspection } from "./compile/inspect.ts";
export type { KindName } from "./adapters/index.ts";
export type { Residence } from "../passes/index.ts";
export type { WeightMode } from "./compile/place-weights.ts";
export type { Diagnostic, Place } from "./diagnostics/diagnostic.ts";
export { TfcError } from "./diagnostics/error.ts";
