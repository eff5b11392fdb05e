/**
 * A compiler for ONNX decoder graphs: puts Tokenformer and LoRA adapters into Llama-family models that run on
 * onnxruntime.
 *
 * @packageDocumentation
 */
export { compile, type AdapterEntry, type CompileOptions, type CompileReport } from "./compile/compile.ts";
export { describeGraph } from "./bindings/describe.ts";
export { moduleTypes, writeBindings } from "./bindings/write.ts";
export type {
  DescribedAdapter,
  DescribedCache,
  DescribedDim,
  DescribedInput,
  DescribedLayer,
  DescribedModule,
  DescribedPort,
  DescribedTensor,
  GraphDescription,
} from "./bindings/description.ts";
export type { TrainOptions } from "./compile/train.ts";
export type { DType } from "./ir/dtype.ts";
export type { DecodeLoop } from "./ops/decode-loop.ts";
export type { Role } from "./ops/ports/roles.ts";
export type { BlockKind } from "./sites/site.ts";
export type { Emit, Memory, Training, TrainParameter } from "./ops/training.ts";
export { inspect, type InspectOptions } from "./compile/inspect.ts";
export type {
  Inspection,
  InspectedModel,
  BlockCounts,
  InspectedLayer,
  InspectedRegion,
  InspectedAttention,
  InspectedMlp,
  InspectedMoeBlock,
  InspectedMoe,
  OutlinedBlock,
  InspectedMiss,
  InspectedMixer,
  InspectedLora,
  InspectedPlacement,
  InspectedNode,
  OffReason,
} from "./compile/inspection.ts";
export { explain, type Explanation, type ExplainOptions, type ExplainReport } from "./compile/explain.ts";
export type { Lowered } from "./compile/lowered-ops.ts";
export { report, type ReportOptions, type ReportResult } from "./report/report.ts";
export {
  verifyCompiled,
  type Apart,
  type QuantizedReport,
  type VerifyCompiledOptions,
  type VerifyCompiledReport,
} from "./compile/verify/verify-compiled.ts";
export { bench, type BenchOptions, type BenchReport } from "./compile/bench.ts";
export type { BenchRow, BenchSizes, Measured } from "../runtime/bench/bench.ts";
export { train, type TrainModelOptions, type TrainReport } from "./compile/training/train.ts";
export type { Packing } from "../runtime/train/data/sequences.ts";
export type { EvalMetrics, StepMetrics } from "../runtime/train/metrics.ts";
export type { TrainEvent, TrainingOptions, TrainingReport } from "../runtime/train/options.ts";
export type { Schedule } from "../runtime/train/schedule.ts";
export { merge, type MergeOptions, type MergeReport } from "./compile/merge.ts";
export {
  grow,
  shrink,
  type GrowOptions,
  type ResizeOptions,
  type ResizeReport,
} from "./compile/adapter/resize.ts";
export {
  packageGenai,
  type PackageGenaiOptions,
  type PackageGenaiReport,
} from "./compile/package/genai/package.ts";
export {
  packageTriton,
  type PackageTritonOptions,
  type PackageTritonReport,
} from "./compile/package/triton/package.ts";
export type { PackageWeights } from "./compile/package/stage.ts";
export type { TritonDevice } from "./compile/package/triton/config.ts";
export {
  adapterServers,
  convertAdapter,
  type AdapterServer,
  type ConvertOptions,
  type ConvertReport,
} from "./compile/adapter/convert.ts";
export { extractAdapter, type ExtractOptions, type ExtractReport } from "./compile/adapter/extract.ts";
export { diffAdapters, type AdapterDiff, type DiffOptions } from "./compile/adapter/diff.ts";
export {
  listAdapter,
  type AdapterListing,
  type ListOptions,
  type WeightType,
} from "./compile/adapter/list.ts";
export type { AdapterDescription } from "./adapters/description.ts";
export type { FreshName, KindName } from "./adapters/index.ts";
export type { KvForm } from "./ops/kv.ts";
export type { Provider } from "./ops/providers.ts";
export type { Residence } from "../passes/index.ts";
export type { HalfName, PortName } from "./compile/dtypes.ts";
export type { Quantization } from "./compile/quantize.ts";
export type { WeightMode } from "./compile/place-weights.ts";
export type { AdapterFormat } from "./weights/adapter-file.ts";
export type { Difference, Distance } from "./weights/compare.ts";
export type { OnnxAdapterLayout } from "./weights/onnx-adapter/layout.ts";
export type { Resized } from "./weights/resize.ts";
export type { PassResult } from "./pass/runner.ts";
export type { Progress } from "./onnx/output.ts";
export type { Hints } from "./weights/read-adapter.ts";
export type { Code, Severity } from "./diagnostics/codes.ts";
export type { Diagnostic, Place } from "./diagnostics/diagnostic.ts";
export { TfcError } from "./diagnostics/error.ts";
