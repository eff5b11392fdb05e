import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import type { Sink } from "../../compiler/diagnostics/sink.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { lookAt } from "../../compiler/onnx/open-failure.ts";
import { loadModelText, type ModelText } from "../generate/model-text.ts";
import type { Provider } from "../session/devices.ts";
import { bestIn } from "./best.ts";
import { checkpointAt, grownMoments } from "./checkpoint/grown.ts";
import { lastWhole, wholeAt, type Found } from "./checkpoint/last-whole.ts";
import type { RunProgress, RunSettings } from "./checkpoint/progress.ts";
import { datasetOf, type Dataset } from "./data/dataset.ts";
import { exampleReader, type ExampleReader } from "./data/example.ts";
import { prepareData } from "./data/prepare.ts";
import { sourceOf } from "./data/read.ts";
import { firstValues } from "./first-values.ts";
import type { Emit, Training } from "../../compiler/ops/training.ts";
import { RunFolder } from "./folder.ts";
import { openTraining, trainingOf, type TrainingSession } from "./graph.ts";
import { firstProgress, TrainLoop, type RunContext } from "./loop.ts";
import { MetricsFile } from "./metrics.ts";
import type { TrainGraphs, TrainingOptions, TrainingReport, TrainSource } from "./options.ts";
import { lengthOf, planOf, settingsOf, withDefaults, type FullOptions } from "./plan.ts";
import { RunPage } from "./page/run-page.ts";
import { reportOf } from "./report.ts";
import { trainedAdapter, writeTrained } from "./result.ts";
import type { Tensors } from "../session/tensor.ts";
import { sampledDigest } from "./sampled-digest.ts";
import { TrainState } from "./state.ts";

/**
 * Trains the parameters of a training graph.
 *
 * @param sink where warnings go
 * @throws TfcError TRAIN_*: for a graph, data or a run that cannot be trained; what reading and running throw
 */
export async function trainModel(
  source: TrainSource,
  options: TrainingOptions,
  sink: Sink,
): Promise<TrainingReport> {
  const full = withDefaults(options);
  const { model } = source;
  const text = loadModelText(model, full.tokenizer);
  const length = lengthOf(full, text.config, model.file);
  const reader = exampleReader(text, model.file);
  for (const file of full.data) checkFile(file);
  if (full.state !== undefined) checkThere(checkpointAt(full.state));
  checkOut(full.out, model);
  const folder = new RunFolder(full.out, full.resume === true);
  const closing = new Closing();
  closing.add(() => {
    folder.release();
  });
  try {
    const isKept = full.resume === true && folder.checkpoints.steps().length > 0;
    const graphs = await source.graphs(folder.model, isKept);
    checkGraph(graphs.train, full);
    return await runIn(folder, { source, graphs, options: full, text, reader, length, sink, closing });
  } finally {
    await closing.close();
  }
}

interface Asked {
  readonly source: TrainSource;
  readonly graphs: TrainGraphs;
  readonly options: FullOptions;
  readonly text: ModelText;
  readonly reader: ExampleReader;
  readonly length: number;
  readonly sink: Sink;
  readonly closing: Closing;
}

async function runIn(folder: RunFolder, asked: Asked): Promise<TrainingReport> {
  const start = performance.now();
  const { source, graphs, options, text, length, sink, closing } = asked;
  const graph = graphs.train;
  const dataset = await readData(folder, asked);
  closing.add(dataset.close);
  const other = options.state === undefined ? null : wholeAt(options.state, sink);
  const others = { ...source.settings, ...settingsOfState(other) };
  const settings = settingsOf(source.model.file, graph, options, dataset, { length, others });
  const from = checkpointIn(folder, { graph, options, settings }, sink);
  options.signal?.throwIfAborted();
  options.onEvent?.({ kind: "loading" });
  // What is not evaluated takes no memory.
  const evaluated = dataset.examples.evaluation === 0 ? { ...graphs, loss: null } : graphs;
  const { train, loss } = await openSessions(evaluated, options, closing);
  const { training } = train;
  const begun = from === null ? beginningOf(graph, training, other) : null;
  const values = begun?.values ?? from?.checkpoint.tensors ?? new Map();
  // What could not be written at the end is said now.
  trainedAdapter(graph, training, values);
  const progress = begun?.progress ?? progressOf(from, folder);
  const metrics = await MetricsFile.behind(folder.metrics, from === null ? -1 : progress.step);
  closing.add(() => {
    metrics.close();
  });
  const plan = planOf(options, dataset);
  const page = new RunPage({
    model: source.model.file,
    options,
    plan,
    dataset,
    folder,
    metrics,
    training,
    length,
  });
  const run: RunContext = {
    ...{ graph, options, plan, settings, dataset, folder, metrics, sink, train, loss },
    padding: text.tokenizer?.stops[0] ?? 0,
    state: new TrainState(training, values),
    onNews: () => page.update(),
  };
  options.onEvent?.({ kind: "begun", diagnostics: [...sink.diagnostics] });
  const loop = new TrainLoop(run, progress, from?.file ?? null);
  const isDone = await page.during(() => loop.go());
  await writeTrained(folder.adapter, graph, training, run.state.saved);
  const { provider } = train.session;
  return reportOf(run, loop, { isDone, provider, length, time: performance.now() - start });
}

/** Where a run goes on. */
function progressOf(from: Found | null, folder: RunFolder): RunProgress {
  if (from === null) return firstProgress;
  const { progress } = from.checkpoint;
  return { ...progress, best: bestIn(folder.best, progress.best) };
}

/** What a run must have been begun with to be resumed: the state that it took over. */
function settingsOfState(other: Found | null): RunSettings {
  return other === null ? {} : { state: `sha256 ${sampledDigest(other.file).slice(0, 16)}` };
}

/**
 * What a run begins with: first values, and the state of another run where that is asked for.
 *
 * @throws TfcError TRAIN_STATE, and what {@link firstValues} throws
 */
function beginningOf(
  graph: string,
  training: Training,
  other: Found | null,
): { readonly values: Tensors; readonly progress: RunProgress } {
  const values = firstValues(graph, training.parameters);
  if (other === null) return { values, progress: firstProgress };
  const { file, checkpoint } = other;
  const moments = grownMoments(file, checkpoint, training, trainedAdapter(graph, training, values));
  const { updates, lossScale } = checkpoint.progress;
  return { values: new Map([...values, ...moments]), progress: { ...firstProgress, updates, lossScale } };
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

/** @throws TfcError TRAIN_OUT_MODEL where a run would be put among the files of its model */
function checkOut(out: string, { file, folder }: TrainSource["model"]): void {
  const there = existsSync(out) ? realpathSync(out) : null;
  if ([folder, path.dirname(file)].some((one) => realpathSync(one) === there))
    throw inputError("TRAIN_OUT_MODEL", { file: out }, { folder: out });
}

/** @throws TfcError TRAIN_DATA_FILE, FILE_NOT_FOUND: before a model is compiled for it */
function checkFile(file: string): void {
  sourceOf(file);
  checkThere(file);
}

function checkThere(file: string): void {
  if (lookAt(file) === null) throw inputError("FILE_NOT_FOUND", { file }, { file });
}

async function readData(
  folder: RunFolder,
  { graphs, options, text, reader, length, sink }: Asked,
): Promise<Dataset> {
  const { vocabulary } = trainingOf(graphs.train, "update");
  text.checkVocabulary(vocabulary);
  const { data, signal, onEvent, packing = null, evalSplit, seed } = options;
  const prepared = await prepareData({
    ...{ files: data, reader, tokenFile: folder.tokens, length, vocabulary },
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

/** The last whole checkpoint of a run that goes on; null where it begins. */
function checkpointIn(
  folder: RunFolder,
  run: { readonly graph: string; readonly options: FullOptions; readonly settings: RunSettings },
  sink: Sink,
): Found | null {
  const { resume, out } = run.options;
  if (resume !== true) return null;
  const found = lastWhole(folder.checkpoints, trainingOf(run.graph, "update"), run.settings, sink);
  if (found === null) sink.report("TRAIN_RESUME_FIRST", { file: out }, {});
  return found;
}

async function openSessions(
  graphs: TrainGraphs,
  { device, threads }: FullOptions,
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
  const train = await open(graphs.train, "update", device);
  const loss = graphs.loss === null ? train : await open(graphs.loss, "loss", train.session.provider);
  return { train, loss };
}
