import path from "node:path";
import type { Sink } from "../../compiler/diagnostics/sink.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { loadModelText, type ModelText } from "../generate/model-text.ts";
import type { Provider } from "../session/devices.ts";
import { checkParameters, readCheckpoint, type Checkpoint } from "./checkpoint/file.ts";
import { checkSameSettings } from "./checkpoint/same-settings.ts";
import { datasetOf, type Dataset } from "./data/dataset.ts";
import { exampleReader } from "./data/example.ts";
import { prepareData } from "./data/prepare.ts";
import { firstValues } from "./first-values.ts";
import type { Emit } from "../../compiler/ops/training.ts";
import { RunFolder } from "./folder.ts";
import { openTraining, trainingOf, type TrainingSession } from "./graph.ts";
import { firstProgress, TrainLoop, type RunContext } from "./loop.ts";
import { MetricsFile } from "./metrics.ts";
import type { OwnOptions, TrainingOptions, TrainingReport } from "./options.ts";
import { lengthOf, planOf, settingsOf, withDefaults, type FullOptions } from "./plan.ts";
import { RunPage } from "./page/run-page.ts";
import { reportOf } from "./report.ts";
import { writeTrained } from "./result.ts";
import { TrainState } from "./state.ts";

/**
 * Trains the parameters of a training graph, one that `compile` made with `train`.
 *
 * @param graph the graph; its parameters' first values lie beside it
 * @param sink where warnings go
 * @throws TfcError TRAIN_*: for a graph, data or a run that cannot be trained; what reading and running throw
 */
export async function trainGraph(
  graph: string,
  options: TrainingOptions,
  sink: Sink,
  own: OwnOptions = {},
): Promise<TrainingReport> {
  const full = withDefaults(options);
  checkGraph(graph, full);
  const text = textOf(own.model ?? graph, full);
  const folder = new RunFolder(full.out, full.resume === true);
  const closing = new Closing();
  closing.add(() => {
    folder.release();
  });
  try {
    return await runIn(folder, { graph, options: full, own, text, sink, closing });
  } finally {
    await closing.close();
  }
}

interface Asked {
  readonly graph: string;
  readonly options: FullOptions;
  readonly own: OwnOptions;
  readonly text: ModelText;
  readonly sink: Sink;
  readonly closing: Closing;
}

async function runIn(folder: RunFolder, asked: Asked): Promise<TrainingReport> {
  const start = performance.now();
  const { graph, options, own, text, sink, closing } = asked;
  const length = lengthOf(options, text.config, graph);
  const dataset = await readData(graph, options, { text, length, tokenFile: folder.tokens, sink });
  closing.add(dataset.close);
  const settings = await settingsOf(graph, options, dataset, { length, own });
  const from = checkpointIn(folder, options, sink);
  if (from !== null) checkSameSettings(from.file, from.checkpoint.settings, settings);
  options.signal?.throwIfAborted();
  options.onEvent?.({ kind: "loading" });
  const { train, loss } = await openSessions(graph, options, own, closing);
  const { training } = train;
  if (from !== null) checkParameters(from.file, from.checkpoint, training);
  const values = from?.checkpoint.tensors ?? firstValues(graph, training.parameters);
  const progress = from?.checkpoint.progress ?? firstProgress;
  const metrics = await MetricsFile.behind(folder.metrics, from === null ? -1 : progress.step);
  closing.add(() => {
    metrics.close();
  });
  const plan = planOf(options, dataset);
  const page = new RunPage({ graph, options, plan, dataset, folder, metrics, training, length });
  const run: RunContext = {
    ...{ graph, options, plan, settings, dataset, folder, metrics, sink, train, loss },
    padding: text.tokenizer?.stops[0] ?? 0,
    state: new TrainState(training, values),
    onNews: () => page.update(),
  };
  const loop = new TrainLoop(run, progress, from?.file ?? null);
  const isDone = await page.during(() => loop.go());
  await writeTrained(folder.adapter, graph, training, run.state.saved);
  const { provider } = train.session;
  return reportOf(run, loop, { isDone, provider, length, time: performance.now() - start });
}

/** What is to be closed when a run has ended, the last first. */
class Closing {
  readonly #closes: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.#closes.unshift(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closes) await close();
  }
}

/** @throws TfcError TRAIN_GRAPH where the graph cannot do what is asked */
function checkGraph(graph: string, { accumulate }: FullOptions): void {
  const training = trainingOf(graph, "update");
  if (accumulate === 1 || training.accumulate) return;
  const wanted = "a training graph that sums gradients over several batches";
  throw inputError("TRAIN_GRAPH", { file: graph }, { wanted, found: "one that updates with every batch" });
}

function textOf(model: string, { tokenizer }: FullOptions): ModelText {
  return loadModelText({ file: model, folder: path.dirname(model) }, tokenizer);
}

interface Reading {
  readonly text: ModelText;
  readonly length: number;
  readonly tokenFile: string;
  readonly sink: Sink;
}

async function readData(
  graph: string,
  options: FullOptions,
  { text, length, tokenFile, sink }: Reading,
): Promise<Dataset> {
  const { vocabulary } = trainingOf(graph, "update");
  text.checkVocabulary(vocabulary);
  const { data, signal, onEvent, packing = null, evalSplit, seed } = options;
  const prepared = await prepareData({
    ...{ files: data, reader: exampleReader(text, graph), tokenFile, length, vocabulary },
    ...(signal === undefined ? {} : { signal }),
    onProgress: (file, done, total) => onEvent?.({ kind: "reading", file, done, total }),
  });
  try {
    return datasetOf(prepared, { packing, length, evalSplit, seed }, sink);
  } catch (error) {
    prepared.tokens.close();
    throw error;
  }
}

/** The last checkpoint of a run that goes on; null where it begins. */
function checkpointIn(
  folder: RunFolder,
  { resume, out }: FullOptions,
  sink: Sink,
): { readonly file: string; readonly checkpoint: Checkpoint } | null {
  if (resume !== true) return null;
  const step = folder.checkpoints.steps().at(-1);
  if (step === undefined) {
    sink.report("TRAIN_RESUME_FIRST", { file: out }, {});
    return null;
  }
  const file = folder.checkpoints.fileOf(step);
  return { file, checkpoint: readCheckpoint(file) };
}

async function openSessions(
  graph: string,
  { device, threads }: FullOptions,
  { lossGraph }: OwnOptions,
  closing: Closing,
): Promise<{ readonly train: TrainingSession; readonly loss: TrainingSession }> {
  const open = async (file: string, emit: Emit, provider: Provider | "auto"): Promise<TrainingSession> => {
    const opened = await openTraining(file, emit, {
      provider,
      ...(threads === undefined ? {} : { threads }),
    });
    closing.add(() => opened.session.close());
    return opened;
  };
  const train = await open(graph, "update", device);
  const loss = lossGraph === undefined ? train : await open(lossGraph, "loss", train.session.provider);
  return { train, loss };
}
