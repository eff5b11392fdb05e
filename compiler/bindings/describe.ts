import { Sink } from "../diagnostics/sink.ts";
import { isFloat, type DType } from "../ir/dtype.ts";
import type { Model } from "../ir/model.ts";
import { asTensor, type Dim } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { openModel } from "../onnx/open.ts";
import { decodeLoopIn, loopInputs } from "../ops/decode-loop.ts";
import { logitsInputs } from "../ops/logits.ts";
import { roleOf } from "../ops/ports/roles.ts";
import { trainDefaults, trainingIn } from "../ops/training.ts";
import { runPasses, step } from "../pass/runner.ts";
import { preparation } from "../../passes/index.ts";
import { adaptersIn, membersIn, replacedIn } from "./adapters.ts";
import { cacheOf } from "./cache.ts";
import type { DescribedInput, DescribedPort, GraphDescription } from "./description.ts";
import { layersIn, modulesDtype } from "./layers.ts";

/**
 * Describes a graph as plain data: its inputs and outputs, layers, adapters and caches. It takes every decoder graph,
 * compiled or not, and any other graph, which has no layers.
 *
 * @param file an .onnx file
 * @example
 * const { inputs, adapters } = describeGraph("compiled/model.onnx");
 * console.log(inputs.map(({ name, type, dims }) => `${name} ${type}[${dims}]`), adapters.map(({ slot }) => slot));
 * @throws TfcError FILE_NOT_FOUND, FILE_NOT_ONNX, and others of a model that cannot be read; ADAPTER_METADATA_INVALID,
 *   LOOP_METADATA_INVALID, TRAIN_METADATA_INVALID
 */
export function describeGraph(file: string): GraphDescription {
  return describeModel(openPlain(file));
}

/** As {@link describeGraph}, of a model in memory, which is not changed. @throws TfcError as for its metadata */
export function describeModel(model: Model): GraphDescription {
  const { file } = model.loc;
  const { adapters, residence } = adaptersIn(model);
  const leaves = new Set(adapters.flatMap(({ tensors }) => tensors.map(({ name }) => name)));
  const inputs = model.graph.inputs.map(inputOf).filter((input) => isFed(input, leaves));
  const outputs = model.graph.outputs.map(portOf);
  const decodeLoop = decodeLoopIn(model.meta, file);
  return {
    version: 1,
    inputs,
    outputs,
    symbols: symbolsOf([...inputs, ...outputs]),
    layers: layersIn(model),
    adapters,
    replaced: replacedIn(model),
    residence,
    members: membersIn(model),
    dtype: modulesDtype(model) ?? logitsType(outputs),
    cache: cacheOf(model, inputs, outputs, decodeLoop),
    decodeLoop,
    training: trainingIn(model.meta, file),
    metadata: Object.fromEntries(model.meta),
  };
}

/** Reads a model as recognition wants it: without functions of exporters, and branches that are never taken. */
function openPlain(file: string): Model {
  const sink = new Sink();
  const { model } = openModel(file, sink);
  runPasses(
    model,
    preparation.map((pass) => step(pass)),
    sink,
  );
  return model;
}

/** Names of inputs that have defaults and are fed all the same, beside those that mean something to a decoder. */
const settings: ReadonlySet<string> = new Set([
  ...Object.values(loopInputs),
  ...Object.values(logitsInputs),
  ...Object.keys(trainDefaults),
]);

/** Inputs of a loop that mean what they mean to any decoder. */
const tokenInputs: ReadonlySet<string> = new Set([
  loopInputs.ids,
  loopInputs.mask,
  ...Object.values(logitsInputs),
]);

/** Some exporters list every weight among the inputs, with itself as the default: nobody feeds those. */
function isFed({ name, role, isOptional }: DescribedInput, leaves: ReadonlySet<string>): boolean {
  return !isOptional || role !== "other" || leaves.has(name) || settings.has(name);
}

function inputOf(value: Value): DescribedInput {
  const port = portOf(value);
  // "max_new_tokens" of a loop are none.
  const isSetting = settings.has(port.name) && !tokenInputs.has(port.name);
  const role = isSetting ? "other" : roleOf({ name: port.name, dtype: port.type, dims: port.dims ?? [] });
  return { ...port, isOptional: value.constant !== undefined, role };
}

function portOf({ name = "", type }: Value): DescribedPort {
  const tensor = asTensor(type);
  return { name, type: tensor?.dtype ?? null, dims: tensor?.shape?.map(dimOf) ?? null };
}

/** Some exporters write a size as a symbol of that name. */
function dimOf(dim: Dim): number | string {
  return typeof dim === "string" && /^\d+$/.test(dim) ? Number(dim) : (dim ?? "");
}

/** Symbols in the order in which they are seen first. */
function symbolsOf(ports: readonly DescribedPort[]): readonly string[] {
  const names = ports.flatMap(({ dims }) => dims ?? []).filter((dim) => typeof dim === "string");
  return [...new Set(names)].filter((name) => isSymbol(name));
}

/** Whether a dimension is a name, and not a computation such as `past + sequence`. */
export function isSymbol(dim: string): boolean {
  return dim !== "" && !/[\s+*/()]|^-/.test(dim);
}

function logitsType(outputs: readonly DescribedPort[]): DType | null {
  const floating = outputs.filter(({ type }) => type !== null && isFloat(type));
  return (floating.find(({ name }) => /logits/i.test(name)) ?? floating[0])?.type ?? null;
}
