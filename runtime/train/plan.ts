import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import type { ModelConfig } from "../generate/model-config.ts";
import type { RunSettings } from "./checkpoint/progress.ts";
import type { Dataset } from "./data/dataset.ts";
import { trainingDefaults, type TrainingOptions } from "./options.ts";
import { sampledDigest } from "./sampled-digest.ts";
import type { RateOptions } from "./schedule.ts";

/** Options with their defaults. */
export type FullOptions = TrainingOptions &
  Required<Pick<TrainingOptions, Exclude<keyof typeof trainingDefaults, "epochs" | "length">>>;

export function withDefaults(options: TrainingOptions): FullOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  // Without `epochs` and `length`, of which it matters whether they were given.
  const { batch, accumulate, learningRate, schedule, warmup, weightDecay, clip } = trainingDefaults;
  const { evalSplit, keep, seed, device } = trainingDefaults;
  const defaults = { batch, accumulate, learningRate, schedule, warmup, weightDecay, clip };
  return { ...defaults, evalSplit, keep, seed, device, ...(given as unknown as TrainingOptions) };
}

/** Tokens of a sequence at most. @throws TfcError TRAIN_LENGTH where the model's context is shorter than was asked */
export function lengthOf({ length }: TrainingOptions, { contextLength }: ModelConfig, file: string): number {
  if (length !== undefined && contextLength !== null && length > contextLength)
    throw inputError("TRAIN_LENGTH", { file }, { length, context: contextLength });
  return length ?? Math.min(trainingDefaults.length, contextLength ?? Infinity);
}

/** How many steps a run has, and when something is to be done. */
export interface Plan {
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly evalEvery: number;
  readonly saveEvery: number;
  readonly rate: RateOptions;
}

export function planOf(options: FullOptions, { train }: Dataset): Plan {
  const stepsPerEpoch = Math.ceil(train.count / (options.batch * options.accumulate));
  const steps = options.steps ?? Math.ceil((options.epochs ?? trainingDefaults.epochs) * stepsPerEpoch);
  const tenth = Math.max(1, Math.ceil(steps / 10));
  const { learningRate, schedule, warmup } = options;
  return {
    ...{ steps, stepsPerEpoch },
    evalEvery: options.evalEvery ?? tenth,
    saveEvery: options.saveEvery ?? tenth,
    rate: { learningRate, schedule, warmup, steps },
  };
}

/** Sequences of a step, by their numbers, in the batches that make it up. */
export function sequencesOfStep(
  step: number,
  { stepsPerEpoch }: Plan,
  { batch, accumulate }: FullOptions,
  count: number,
): { readonly epoch: number; readonly batches: readonly (readonly number[])[] } {
  const epoch = Math.floor((step - 1) / stepsPerEpoch);
  const from = ((step - 1) % stepsPerEpoch) * batch * accumulate;
  const starts = Array.from({ length: accumulate }, (_, i) => from + i * batch).filter((at) => at < count);
  const batches = starts.map((at) => Array.from({ length: Math.min(batch, count - at) }, (_, i) => at + i));
  return { epoch, batches };
}

/**
 * What a run must have been begun with to be resumed, by the names of options.
 *
 * @param model what the run is of: the base of its graph, or the graph itself
 */
export function settingsOf(
  model: string,
  graph: string,
  options: FullOptions,
  { digest, packing }: Dataset,
  { length, others }: { readonly length: number; readonly others: RunSettings },
): RunSettings {
  const { epochs = trainingDefaults.epochs, steps = null, batch, accumulate } = options;
  const { learningRate, schedule, warmup, weightDecay, clip, evalSplit, seed } = options;
  return {
    ...others,
    model: `sha256 ${digestOfModel(model).slice(0, 16)}`,
    graph: `sha256 ${sampledDigest(graph).slice(0, 16)}`,
    data: `sha256 ${digest.slice(0, 16)}`,
    epochs: steps === null ? epochs : null,
    ...{ steps, batch, accumulate, length, packing, learningRate, schedule, warmup, weightDecay, clip },
    ...{ evalSplit, seed },
  };
}

/** A digest of a model: of its graph and of the files that hold its weights, wherever they lie. */
function digestOfModel(file: string): string {
  const weights = [...importModel(file).stamps.keys()].filter((one) => !isSamePath(one, file));
  // Two files of the same bytes are two all the same: their order is the graph's.
  const hash = createHash("sha256");
  for (const one of [file, ...weights]) hash.update(sampledDigest(one));
  return hash.digest("hex");
}

function isSamePath(one: string, other: string): boolean {
  return resolve(one) === resolve(other);
}
