import { resolve } from "node:path";
import { removeLora } from "../../../passes/index.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { inputError } from "../../diagnostics/error.ts";
import type { Sink } from "../../diagnostics/sink.ts";
import type { Model } from "../../ir/model.ts";
import { openModel, type Imported } from "../../onnx/open.ts";
import { checkFileName, OutputFiles, type Progress } from "../../onnx/output.ts";
import { checkUnchanged } from "../../onnx/stamp.ts";
import { Analyses } from "../../pass/analyses.ts";
import { runPasses, step } from "../../pass/runner.ts";
import { viewDecoder, type DecoderView } from "../../recognize/decoder.ts";
import { refusalOf } from "../../recognize/model/describe.ts";
import { baseFingerprint } from "../base-fingerprint.ts";
import { lorasIn, type LoraPlace } from "../../recognize/model/loras.ts";
import { adapterFormats, type AdapterFile, type AdapterFormat } from "../../weights/adapter-file.ts";
import { fingerprintText } from "../../weights/fingerprint.ts";
import { onnxAdapterLayouts, type OnnxAdapterLayout } from "../../weights/onnx-adapter/layout.ts";
import { leaderOf, writeAdapter, writtenFiles } from "../../weights/write-adapter.ts";
import { checkGiven, holds, oneOf, type Checks } from "../check-given.ts";
import { checkBase, checkOutputs, noDecoder, requireWeights } from "../checks.ts";
import { reportOutputPath } from "../output-path.ts";
import { outputPaths, writeOutputs } from "../outputs.ts";
import { outliningAgain, preparingBlocks } from "../preparation.ts";
import { sameFile, weightModes, type WeightMode } from "../place-weights.ts";
import { reporting } from "../reporting.ts";
import { partsOf } from "./graph-lora.ts";
import { listingOf, type AdapterListing } from "./list.ts";
import { checkEnding, checkFormatOption, formatBy, type AdapterOutput } from "./output.ts";

/** What to take out of a graph. */
export interface ExtractOptions {
  /** A model whose graph adds LoRA to its projections. */
  readonly input: string;
  /** The adapter: a file, or the folder for `peft`. Needed unless `base` is. */
  readonly output?: string;
  /** Default: by the output's ending (`.safetensors`, `.pt`, `.onnx_adapter`), else `peft`. */
  readonly format?: AdapterFormat;
  /** Writes the graph without LoRA, too. */
  readonly base?: string;
  /** Where the base's weights go. Default: `link` beside the input, `copy` in another folder. */
  readonly weights?: WeightMode;
  /** The graphs that an `.onnx_adapter` is for. Default `tfc`. */
  readonly layout?: OnnxAdapterLayout;
  /** The training step that a checkpoint (`torch`) is named by. Default 0. */
  readonly step?: number;
  readonly progress?: Progress;
}

const checks: Checks<ExtractOptions> = {
  input: holds.model,
  output: holds.path,
  format: oneOf(adapterFormats),
  base: holds.path,
  weights: oneOf(weightModes),
  layout: oneOf(onnxAdapterLayouts),
  step: ["a whole number from 0", (value) => Number.isSafeInteger(value) && Number(value) >= 0],
  progress: holds.callback,
};

/** What was taken out. */
export interface ExtractReport {
  readonly input: string;
  /** The adapter as it was written; null where only the base was asked for. */
  readonly adapter: AdapterListing | null;
  readonly base: string | null;
  /** Additions of LoRA that the graph had, and that the base has still. */
  readonly removed: number;
  readonly left: number;
  /** Files written or linked, absolute. */
  readonly files: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Takes the LoRA that an exporter left in a graph, `W x + s·B(A x)`, out of it: as an adapter, and as the base without
 * it. The base compiled with the adapter computes what the graph did, up to rounding. The adapter says which base it
 * belongs to.
 *
 * @throws TfcError EXTRACT_NOTHING for a graph without LoRA that can be taken out, with why; EXTRACT_GIVEN for one that
 *   takes LoRA as inputs; NO_DECODER, ALREADY_COMPILED, OUTPUT_IS_INPUT; ADAPTER_NOT_FINITE; FILE_NOT_WRITABLE
 *
 * @example
 * ```ts
 * await extractAdapter({ input: "with-lora.onnx", output: "adapter", base: "base.onnx" });
 * ```
 */
export function extractAdapter(options: ExtractOptions): Promise<ExtractReport> {
  return reporting((sink) => extract(options, sink));
}

async function extract(options: ExtractOptions, sink: Sink): Promise<ExtractReport> {
  checkGiven(options, checks, "extractAdapter", ["input"]);
  const { input, output, base } = options;
  if (output === undefined && base === undefined)
    throw inputError("USAGE", {}, { what: "nothing to write: give an output for the adapter, or a base" });
  if (base !== undefined) checkFileName(base);
  for (const one of [output, base]) if (one !== undefined) reportOutputPath(one, sink);
  const imported = openModel(input, sink);
  const { model } = imported;
  requireWeights(input, imported);
  checkBase(model);
  const analyses = new Analyses(model);
  const outlining = outliningAgain(model);
  runPasses(model, preparingBlocks, sink, undefined, analyses);
  const places = placesIn(input, model, analyses.get(viewDecoder));
  const taken = places.filter(({ isStored, obstacle }) => isStored && obstacle === null);
  // Where callers give all LoRA there is no adapter to keep, and the base is what the graph is without one.
  const given = output === undefined && taken.length === 0;
  if (!given) checkTaken(input, places, taken);
  const parts = partsOf(taken);
  const [result] = runPasses(model, [step(removeLora, { given })], sink, undefined, analyses);
  const of = fingerprintText(baseFingerprint(input, model, analyses.get(viewDecoder)));
  const target = output === undefined ? null : targetOf(output, options);
  const adapter: AdapterFile | null =
    target === null
      ? null
      : { file: input, format: target.format, parts, overrides: new Map(), headFollows: false, base: of };
  runPasses(model, outlining, sink, undefined, analyses);
  const files = await writeAll(imported, adapter && target && { adapter, target }, options, sink);
  const { removed = 0, left = 0 } = result?.stats ?? {};
  const listing = adapter && listingOf(adapter);
  return { input, adapter: listing, base: base ?? null, removed, left, files, diagnostics: sink.diagnostics };
}

/** @throws TfcError NO_DECODER, EXTRACT_NOTHING */
function placesIn(file: string, model: Model, view: DecoderView): readonly LoraPlace[] {
  const refusal = refusalOf(model, view);
  if (refusal !== null) throw noDecoder(file, view, refusal);
  const places = lorasIn(model, view);
  if (places.length > 0) return places;
  throw inputError("EXTRACT_NOTHING", { file }, { found: "a graph that adds none to its projections" });
}

/** @throws TfcError EXTRACT_GIVEN, EXTRACT_NOTHING */
function checkTaken(file: string, places: readonly LoraPlace[], taken: readonly LoraPlace[]): void {
  if (taken.length > 0) return;
  const given = places.find(({ isStored }) => !isStored);
  if (given !== undefined) {
    const name = given.linear.loras[0]?.a.matrix.name ?? "";
    throw inputError("EXTRACT_GIVEN", { file }, { name, places: places.length });
  }
  const found = `LoRA at ${places.length} places, none of which can be taken out: ${places[0]?.obstacle ?? ""}`;
  throw inputError("EXTRACT_NOTHING", { file }, { found });
}

function targetOf(path: string, { format, layout, step: steps }: ExtractOptions): AdapterOutput {
  const chosen = format ?? formatBy(path) ?? "peft";
  checkEnding(path, chosen);
  if (steps !== undefined) checkFormatOption("step", chosen, "torch");
  if (layout !== undefined) checkFormatOption("layout", chosen, "onnx_adapter");
  const options = {
    ...(steps === undefined ? {} : { step: steps }),
    ...(layout === undefined ? {} : { layout }),
  };
  return { path, format: chosen, options };
}

/** Writes the adapter and the base: the adapter is put in its place when the base is in its own. */
async function writeAll(
  { model, stamps }: Imported,
  written: { readonly adapter: AdapterFile; readonly target: AdapterOutput } | null,
  { input, base, weights, progress }: ExtractOptions,
  sink: Sink,
): Promise<readonly string[]> {
  const paths = base === undefined ? null : outputPaths(resolve(base));
  const read = [input, ...stamps.keys()];
  if (paths !== null) checkOutputs(read, paths, input);
  const adapterFiles =
    written === null ? [] : writtenFiles(written.target.path, written.target.format, written.target.options);
  const taken = adapterFiles.find((file) =>
    [...read, ...(paths === null ? [] : [paths.output])].some((other) => sameFile(file, other)),
  );
  if (taken !== undefined) throw inputError("OUTPUT_IS_INPUT", { file: input }, { file: taken });
  const files = new OutputFiles(
    written === null ? undefined : leaderOf(written.target.path, written.target.format),
  );
  try {
    for (const file of adapterFiles) files.prepare(file);
    if (written !== null) {
      const { adapter, target } = written;
      await writeAdapter(adapter, target.path, target.format, files, target.options);
    }
    const ofBase =
      paths === null
        ? []
        : await writeOutputs(model, sink, paths, {
            ...{ base: input, stamps },
            ...(weights === undefined ? {} : { weights }),
            ...(progress === undefined ? {} : { progress }),
          });
    const ofAdapter = files.files;
    await files.commit(() => {
      checkUnchanged(stamps);
    });
    return [...ofAdapter, ...ofBase];
  } catch (error) {
    files.discard();
    throw error;
  }
}
