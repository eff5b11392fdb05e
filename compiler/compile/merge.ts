import { basename, resolve } from "node:path";
import { headFollowsMerged, mergedWeights, overrideWeights } from "../../passes/index.ts";
import { MERGED_KEY } from "../adapters/kind.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sink } from "../diagnostics/sink.ts";
import { Rewriter } from "../ir/rewriter.ts";
import { openModel } from "../onnx/open.ts";
import { checkFileName, type Progress } from "../onnx/output.ts";
import { stampsOf } from "../onnx/stamp.ts";
import { Analyses } from "../pass/analyses.ts";
import { runPasses, step } from "../pass/runner.ts";
import { viewDecoder } from "../recognize/decoder.ts";
import { refusalOf } from "../recognize/model/describe.ts";
import { fingerprintOf } from "../recognize/model/fingerprint.ts";
import { checkBase as checkFingerprint } from "../weights/fingerprint.ts";
import type { Hints } from "../weights/read-adapter.ts";
import { checkBase, checkOutputs, noDecoder, requireWeights } from "./checks.ts";
import { checkGiven, holds, oneOf, type Checks } from "./check-given.ts";
import { reportOutputPath } from "./output-path.ts";
import { outliningAgain, preparingBlocks } from "./preparation.ts";
import { reporting } from "./reporting.ts";
import { outputPaths, writeOutputs } from "./outputs.ts";
import { weightModes, type WeightMode } from "./place-weights.ts";

/** What to merge and how. */
export interface MergeOptions {
  /** The base model, an .onnx file. */
  readonly input: string;
  /** The merged model. */
  readonly output: string;
  /** LoRA in any format. */
  readonly load: string;
  /** What the adapter's file does not say of itself. */
  readonly settings?: Hints;
  /** Takes an adapter that belongs to another base. */
  readonly force?: boolean;
  /** Where the base's other weights go. Default: `link` beside the base, `copy` in another folder. */
  readonly weights?: WeightMode;
  /** Is told how many bytes of a file have been written, and of how many. */
  readonly progress?: Progress;
}

const checks: Checks<MergeOptions> = {
  input: holds.model,
  output: holds.path,
  load: holds.path,
  settings: holds.settings,
  force: holds.yesNo,
  weights: oneOf(weightModes),
  progress: holds.callback,
};

/** What {@link merge} did. */
export interface MergeReport {
  /** The base model. */
  readonly input: string;
  /** The merged model, absolute. */
  readonly output: string;
  /** Weights of the base that hold LoRA now, or were brought along by its file. */
  readonly merged: number;
  /** Files written or linked, absolute. */
  readonly files: readonly string[];
  /** Warnings and notes. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Merges LoRA into the weights of a model: W becomes W + s·BA. The graph stays what it is; the weights that change are
 * written to a file beside it, one in memory at a time. Writes all or nothing, and never an input file.
 *
 * @throws TfcError MERGE_REFUSED with the site, for quantized weights and for adapters that are not LoRA; BASE_MISMATCH; what
 *   {@link compile} throws of a model or adapter that cannot be read
 */
export function merge(options: MergeOptions): Promise<MergeReport> {
  return reporting((sink) => mergeWith(options, sink));
}

async function mergeWith(options: MergeOptions, sink: Sink): Promise<MergeReport> {
  checkGiven(options, checks, "merge", ["input", "output", "load"]);
  const { input, load, settings = {}, weights, progress } = options;
  checkFileName(options.output);
  const paths = outputPaths(resolve(options.output));
  reportOutputPath(options.output, sink);
  const { readAdapter, readFiles } = await import("../weights/read-adapter.ts");
  const adapter = readAdapter(load, settings);
  const sources = readFiles(load);
  const stamps = stampsOf(sources);
  const imported = openModel(input, sink);
  const { model } = imported;
  requireWeights(input, imported);
  checkOutputs([input, ...imported.stamps.keys(), ...sources], paths, input);
  checkBase(model);
  const analyses = new Analyses(model);
  const outlining = outliningAgain(model);
  runPasses(model, preparingBlocks, sink, undefined, analyses);
  const view = analyses.get(viewDecoder);
  const refusal = refusalOf(model, view);
  if (refusal !== null) throw noDecoder(input, view, refusal);
  if (options.force !== true) checkFingerprint(adapter, fingerprintOf(model, view));
  const merged = mergedWeights(model, view, adapter);
  const overrides = { file: load, weights: merged, headFollows: headFollowsMerged(adapter) };
  runPasses(model, [step(overrideWeights, { overrides }), ...outlining], sink, undefined, analyses);
  new Rewriter().setMeta(model, MERGED_KEY, basename(resolve(load)));
  if (adapter.isCheckpoint === true) sink.report("ADAPTER_CHECKPOINT", { file: load }, {});
  if (adapter.base === null) sink.report("BASE_UNKNOWN", { file: load }, {});
  const files = await writeOutputs(model, sink, paths, {
    base: input,
    stamps: new Map([...stamps, ...imported.stamps]),
    ...(weights === undefined ? {} : { weights }),
    ...(progress === undefined ? {} : { progress }),
  });
  return { input, output: paths.output, merged: merged.size, files, diagnostics: sink.diagnostics };
}
