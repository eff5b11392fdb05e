import { existsSync } from "node:fs";
import type { TrainEvent, TrainingOptions, TrainingReport } from "../../../runtime/train/options.ts";
import { inputError } from "../../diagnostics/error.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Sink } from "../../diagnostics/sink.ts";
import { trainingIn, type Memory } from "../../ops/training.ts";
import { readModelMetadata } from "../../weights/model-metadata.ts";
import type { AdapterEntry, CompileOptions } from "../options.ts";
import type { Quantization } from "../quantize.ts";
import { reporting } from "../reporting.ts";
import { checkTrainOptions } from "./checks.ts";
import { beginsAfresh, compileForTraining, graphsIn, settingsOfBase, type TrainedBase } from "./graphs.ts";

/**
 * How a model is trained. What is about adapters and about how the model is compiled goes with a base; a graph that trains
 * already says it itself.
 */
export interface TrainModelOptions extends TrainingOptions {
  /** Kind of fresh adapters. Default: `scalarlm`. */
  readonly adapter?: CompileOptions["adapter"];
  /** Where fresh adapters go: `mlp@0-15,q_proj`, or one such text each. Default: where the kind usually goes. */
  readonly sites?: AdapterEntry["sites"];
  /** Options of the adapter kind; with `load`, what the files do not say of themselves. */
  readonly settings?: AdapterEntry["settings"];
  /** Fresh adapters of several kinds, in place of `adapter`, `sites` and `settings`. */
  readonly entries?: readonly AdapterEntry[];
  /** False adds none: with `base`, or `replace`. */
  readonly adapters?: boolean;
  /** A trained adapter that is trained on: a file or folder of any format. */
  readonly load?: readonly string[];
  /** Projections, and MLPs, that become token-parameter attention. */
  readonly replace?: CompileOptions["replace"];
  /** Takes an adapter that belongs to another base. */
  readonly force?: boolean;
  /** Weights of the base that are trained, too: `norms,embed_tokens,lm_head,q_proj,…` or `all`. Default: none. */
  readonly base?: string;
  /** Has these weights begin as random numbers, as those of a model that nobody has trained. Default false. */
  readonly fromScratch?: boolean;
  /** What the forward keeps for the backward. Default: by the model's sizes. */
  readonly memory?: Memory;
  /** The share of what goes into LoRA that is dropped, from 0 up to 1; evaluations drop nothing. Default 0. */
  readonly dropout?: number;
  /** Converts a float32 model; parameters stay in float32. Default: as it is. */
  readonly dtype?: CompileOptions["dtype"];
  /** Quantizes a float model's projections and head, which stay as they are; what is trained is beside them, in float32. */
  readonly quantize?: Quantization;
  /** With `quantize`: how many inputs share a scale. Default: 32. */
  readonly block?: number;
  /** With `quantize`: around 0, without zero points. Default false. */
  readonly symmetric?: boolean;
  /**
   * Where the base's weights go for the graphs that are compiled: `copy`, one for all graphs, or `link`, which takes no
   * room and gives the base's files a second hard link. Default `copy`.
   */
  readonly weights?: "link" | "copy";
}

/** What came of training. */
export interface TrainReport extends TrainingReport {
  /** Warnings and notes. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Trains a model: adapters beside it, and weights of it where that is asked for. What it writes into `out` is an adapter
 * that `compile`, `generate` and every other command take.
 *
 * @param file a base model, which is compiled for training; a folder with one; or a graph that trains
 * @throws TfcError OPTION_*; TRAIN_* for data and runs; what {@link compile} throws; RUNTIME_*
 *
 * @example
 * ```ts
 * const { files, evaluation } = await train("model.onnx", {
 *   data: ["conversations.jsonl"],
 *   out: "runs/support",
 *   adapter: "lora",
 *   settings: { rank: 8 },
 *   epochs: 3,
 * });
 * await compile({ input: "model.onnx", output: "tuned/model.onnx", load: [files.adapter] });
 * ```
 */
export function train(file: string, options: TrainModelOptions): Promise<TrainReport> {
  return reporting(async (sink) => {
    const report = await trainWith(file, options, sink);
    return { ...report, diagnostics: sink.diagnostics };
  });
}

async function trainWith(where: string, options: TrainModelOptions, sink: Sink): Promise<TrainingReport> {
  checkTrainOptions(options);
  const { locateModel } = await import("../../../runtime/model/locate.ts");
  const { trainModel } = await import("../../../runtime/train/train.ts");
  const model = locateModel(where);
  const { file } = model;
  const { adapter, sites, settings, entries, adapters, load, replace, force, dtype, weights } = options;
  const { base, fromScratch, memory, dropout, quantize, block, symmetric } = options;
  const stored = { dtype, quantize, block, symmetric, weights };
  const asked = { adapter, sites, settings, entries, adapters, load, replace, force, ...stored };
  if (trainingIn(readModelMetadata(file), file) !== null) {
    const given = Object.entries({ ...asked, base, fromScratch, memory, dropout }).find(([, value]) =>
      isSaid(value),
    );
    if (given !== undefined)
      throw inputError(
        "OPTION_CONFLICT",
        {},
        { option: given[0], other: "a graph that is compiled already" },
      );
    const graphs = { train: file, loss: null };
    return trainModel({ model, graphs: async () => Promise.resolve(graphs), settings: {} }, options, sink);
  }
  const { seed = 0, accumulate = 1, onEvent } = options;
  const compiled: TrainedBase = {
    ...said(asked),
    train: {
      ...said({ base, fromScratch, memory, dropout }),
      ...(accumulate > 1 ? { accumulate: true } : {}),
    },
    progress: (copied, done, total) =>
      onEvent?.({ kind: "compiling", file: copied, done, total } satisfies TrainEvent),
  };
  refuseOthersState(compiled, options);
  const source = {
    ...{ model, settings: settingsOfBase(compiled) },
    graphs: async (folder: string, isKept: boolean) =>
      isKept ? graphsIn(folder) : compileForTraining(file, folder, compiled, seed, sink),
  };
  return trainModel(source, options, sink).catch((cause: unknown) => {
    forgetGoneLinks(sink);
    throw cause;
  });
}

/** Takes back what was said of links where they are gone: a run that has not begun takes its graphs along. */
function forgetGoneLinks({ diagnostics }: Sink): void {
  const isTrue = ({ code, place: { file } }: Diagnostic): boolean =>
    code !== "WEIGHTS_HARD_LINKED" || file === undefined || existsSync(file);
  diagnostics.splice(0, Infinity, ...diagnostics.filter(isTrue));
}

/**
 * Moments are of numbers that were trained: those of a run say nothing of fresh ones. Weights of the base alone may be what
 * a run made of them.
 *
 * @throws TfcError OPTION_CONFLICT
 */
function refuseOthersState({ train: graph, ...compiled }: TrainedBase, { state }: TrainModelOptions): void {
  if (state === undefined || !beginsAfresh(compiled, graph)) return;
  const fix = "give `load` with the adapter of that run, or leave out `state`";
  throw inputError("OPTION_CONFLICT", {}, { option: "state", other: "fresh weights", fix });
}

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== false;
}

/** Without what is undefined. */
function said<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
