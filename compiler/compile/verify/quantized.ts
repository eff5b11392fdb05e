import type { ConvertOptions, QuantizeOptions } from "../../../passes/index.ts";
import type { VerifyOptions } from "../../../runtime/verify/verify.ts";
import { Sink } from "../../diagnostics/sink.ts";
import type { Model } from "../../ir/model.ts";
import { DTYPE_KEY } from "../../ir/dtype.ts";
import { asTensor } from "../../ir/type.ts";
import { Rewriter } from "../../ir/rewriter.ts";
import { nodesDeep } from "../../ir/walk.ts";
import { openModel } from "../../onnx/open.ts";
import { loweredFor } from "../../ops/providers.ts";
import { parseSettings, QUANTIZED_KEY } from "../../weights/nbits/settings.ts";
import { readModelMetadata } from "../../weights/model-metadata.ts";
import { outputPaths, writeOutputs } from "../outputs.ts";
import type { TemporaryModels } from "./temporary.ts";

/** How a compiled graph was made one with quantized weights. */
export interface QuantizedForm {
  readonly quantize: QuantizeOptions;
  /** How its floats were made shorter before; null where they were not. */
  readonly convert: ConvertOptions | null;
  /** Whether the base that it is held against was quantized before: its weights are what they are. */
  readonly isGiven: boolean;
  /** Whether what is bfloat16 is computed in float32, as where nothing computes in bfloat16. */
  readonly isWidened: boolean;
}

/** How a compiled graph was quantized, and its base was not, as their metadata say; null where it was not. */
export function quantizationOf(base: string, compiled: string): QuantizedForm | null {
  const [before, metadata] = [readModelMetadata(base), readModelMetadata(compiled)];
  const text = metadata.get(QUANTIZED_KEY);
  const settings = text === undefined ? null : parseSettings(text);
  if (settings === null) return null;
  const provider = loweredFor(metadata);
  const dtype = (["float16", "bfloat16"] as const).find((one) => one === metadata.get(DTYPE_KEY));
  const convert =
    dtype === undefined || before.has(DTYPE_KEY) ? null : { dtype, ioDtype: portTypeOf(compiled), provider };
  return {
    quantize: { settings, provider, keepsFloats: true },
    convert,
    isGiven: before.has(QUANTIZED_KEY),
    isWidened: false,
  };
}

/** The type of a graph's float outputs. */
function portTypeOf(compiled: string): ConvertOptions["ioDtype"] {
  for (const { type } of openModel(compiled, new Sink()).model.graph.outputs) {
    const dtype = asTensor(type)?.dtype;
    if (dtype === "float" || dtype === "float16" || dtype === "bfloat16") return dtype;
  }
  return null;
}

/** What quantized weights do to a graph; plain data, fit for JSON. */
export interface QuantizedReport {
  readonly bits: 4 | 8;
  /** How many inputs share a scale. */
  readonly block: number;
  readonly symmetric: boolean;
  /**
   * As the graph runs: how far its outputs are at most from those of the weights in floating point, with optimizations;
   * null where that is no number.
   */
  readonly maxAbs: number | null;
}

/** Allows everything: what is asked is how far apart graphs are. */
const ANY = 1e30;

/** Measures how far a graph with quantized weights lies from one with the floats that they were made of. */
export async function distanceOf(
  float: string,
  compiled: string,
  { quantize: { settings } }: QuantizedForm,
  options: VerifyOptions,
): Promise<QuantizedReport> {
  const { verify } = await import("../../../runtime/verify/verify.ts");
  options.progress?.("comparing with the weights in floating point");
  const { levels } = await verify(float, compiled, { ...options, levels: ["all"], tolerance: ANY });
  return { ...settings, maxAbs: levels[0]?.maxAbs ?? null };
}

/** A compiled graph, or the copy of a quantized one that {@link writeExact} makes. */
export async function exactOf(
  models: TemporaryModels,
  compiled: string,
  quantize: QuantizedForm | null,
): Promise<string> {
  if (quantize === null) return compiled;
  return (await models.make((output) => writeExact(compiled, output))).file;
}

/**
 * Writes a compiled graph whose products of quantized weights are computed in the type of the activations. Products of
 * integers, which `accuracy_level` asks for, quantize activations, too: no two ways of computing agree on those.
 */
export async function writeExact(compiled: string, output: string): Promise<void> {
  const sink = new Sink();
  const { model } = openModel(compiled, sink);
  takeFloatProducts(model, new Rewriter("verify"));
  await writeOutputs(model, sink, outputPaths(output), { base: compiled, weights: "link" });
}

/** Has all products of quantized weights be computed in the type of the activations. */
export function takeFloatProducts(model: Model, rw: Rewriter): void {
  for (const { body } of [{ body: model.graph }, ...model.functions.values()])
    for (const node of nodesDeep(body))
      if (node.op === "com.microsoft::MatMulNBits" && node.attributes.has("accuracy_level"))
        rw.removeAttribute(node, "accuracy_level");
}
