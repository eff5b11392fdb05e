import { existsSync } from "node:fs";
import { countsText, describedIn } from "../adapters/description.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../adapters/kind.ts";
import { diagnostic } from "../diagnostics/diagnostic.ts";
import { inputError, TfcError } from "../diagnostics/error.ts";
import type { Sink } from "../diagnostics/sink.ts";
import type { Model } from "../ir/model.ts";
import { absentData } from "../onnx/absent.ts";
import type { Imported } from "../onnx/open.ts";
import { LOOP_KEY } from "../ops/decode-loop.ts";
import { LOWERED_KEY, type Provider } from "../ops/providers.ts";
import { refuseTraining } from "../ops/training.ts";
import { counts, type DecoderView } from "../recognize/decoder.ts";
import type { CompileOptions } from "./options.ts";
import { outputPaths, type OutputPaths } from "./outputs.ts";
import { sameFile } from "./place-weights.ts";

/** The first in which a Constant may hold integers, which bodies are full of. */
const OLDEST_OPSET = 9;

/** @throws TfcError EXTERNAL_DATA_MISSING, unless the graph alone is wanted */
export function checkMissing(
  { missing }: Imported,
  options: Pick<CompileOptions, "input" | "allowMissingWeights">,
  sink: Sink,
): void {
  const absent = absentData(options.input, missing);
  if (absent === null) return;
  const place = { file: options.input };
  if (options.allowMissingWeights !== true) throw inputError("EXTERNAL_DATA_MISSING", place, absent);
  sink.report("EXTERNAL_DATA_ABSENT", place, absent);
}

/** Checks for what reads the weights, whatever is asked for. @throws TfcError EXTERNAL_DATA_MISSING */
export function requireWeights(file: string, { missing }: Imported): void {
  const absent = absentData(file, missing);
  if (absent !== null) throw inputError("EXTERNAL_DATA_MISSING", { file }, { ...absent, needsWeights: true });
}

/** @throws TfcError OUTPUT_IS_INPUT */
export function checkOutputs(
  inputs: readonly string[],
  paths: OutputPaths & { readonly bindings?: string },
  model: string,
): void {
  for (const output of Object.values(paths) as string[]) {
    if (inputs.some((file) => sameFile(file, output))) {
      throw inputError("OUTPUT_IS_INPUT", { file: model }, { file: output });
    }
  }
}

/** @throws TfcError ALREADY_TRAINING, ALREADY_LOOP, ALREADY_COMPILED, ALREADY_LOWERED, ADAPTER_METADATA_INVALID, OPSET_UNSUPPORTED */
export function checkBase(model: Model, provider?: Provider): void {
  refuseTraining(model.meta, model.loc.file, "it is no base of another");
  if (model.meta.has(LOOP_KEY)) throw inputError("ALREADY_LOOP", { file: model.loc.file }, {});
  const lowered = model.meta.get(LOWERED_KEY);
  if (lowered !== undefined && provider !== undefined)
    throw inputError("ALREADY_LOWERED", { file: model.loc.file }, { provider: lowered });
  for (const [key, what] of [
    [ADAPTER_KEY, "adapters"],
    [REPLACED_KEY, "replaced projections"],
  ] as const) {
    const described = describedIn(model.meta, key, model.loc.file);
    if (described === null) continue;
    const found = `one with ${what}: ${countsText(described)}`;
    const { adapters } = outputPaths(model.loc.file);
    throw inputError(
      "ALREADY_COMPILED",
      { file: model.loc.file },
      {
        ...{ what: found, isBank: described.residence === "bank" },
        ...(existsSync(adapters) ? { adapters } : {}),
      },
    );
  }
  if (model.opset >= OLDEST_OPSET) return;
  const found = model.opset === 0 ? "none" : `version ${model.opset}`;
  throw inputError("OPSET_UNSUPPORTED", { file: model.loc.file }, { found });
}

/** The error of a graph that is no decoder. */
export function noDecoder(file: string, view: DecoderView, looksLike: string): TfcError {
  const [attention, mlp] = [counts(view, "attention"), counts(view, "mlp")];
  const seen = `${attention.matched} of ${attention.seen} attention and ${mlp.matched} of ${mlp.seen} MLP blocks`;
  return inputError("NO_DECODER", { file }, { looksLike, seen });
}

/** @throws TfcError STRICT with all warnings, if there are any */
export function refuseWarnings(sink: Sink): void {
  const warnings = sink.diagnostics.filter((d) => d.severity === "warning");
  const [first] = warnings;
  if (first === undefined) return;
  const strict = diagnostic("STRICT", { file: first.place.file ?? "" }, { warnings: warnings.length });
  throw new TfcError("input", [strict, ...warnings]);
}

/** Elements of the base's initializers, of any type. */
export function parameterCount(model: Model): number {
  let count = 0;
  for (const value of model.graph.initializers) count += value.constant?.size ?? 0;
  return count;
}
