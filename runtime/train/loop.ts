import { setImmediate } from "node:timers/promises";
import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import type { Sink } from "../../compiler/diagnostics/sink.ts";
import { adapterMetadata } from "../../compiler/weights/metadata.ts";
import { random } from "../session/random.ts";
import { bestMetadata } from "./best.ts";
import { writeCheckpoint } from "./checkpoint/file.ts";
import type { RunProgress, RunSettings } from "./checkpoint/progress.ts";
import { batchOf, type Batch } from "./data/batch.ts";
import type { Dataset } from "./data/dataset.ts";
import { evaluate } from "./evaluate.ts";
import type { RunFolder } from "./folder.ts";
import type { TrainingSession } from "./graph.ts";
import { firstLossScale, nextLossScale } from "./loss-scale.ts";
import { isEvaluation, type EvalMetrics, type MetricsFile, type StepMetrics } from "./metrics.ts";
import { sequencesOfStep, type FullOptions, type Plan } from "./plan.ts";
import { trainedAdapter, writeTrained } from "./result.ts";
import { learningRateAt } from "./schedule.ts";
import type { TrainState } from "./state.ts";
import { trainStep, type StepResult } from "./step.ts";

/** What a run works with. */
export interface RunContext {
  readonly graph: string;
  readonly options: FullOptions;
  readonly plan: Plan;
  readonly settings: RunSettings;
  readonly dataset: Dataset;
  /** The id that rows are filled up with. */
  readonly padding: number;
  readonly train: TrainingSession;
  /** What evaluations run. */
  readonly loss: TrainingSession;
  readonly state: TrainState;
  readonly folder: RunFolder;
  readonly metrics: MetricsFile;
  readonly sink: Sink;
  /** Is told when there is something new to show. */
  readonly onNews: () => Promise<void>;
}

export const firstProgress: RunProgress = {
  ...{ step: 0, updates: 0, epoch: 0, sequences: 0 },
  ...{ lossScale: firstLossScale, best: null },
};

/** Steps over which the time of one is taken. */
const WINDOW = 20;

/** Makes the steps of a run, from wherever it is. */
export class TrainLoop {
  readonly #run: RunContext;
  readonly #durations: number[] = [];
  #progress: RunProgress;
  /** The last checkpoint. */
  #saved: string | null;

  /** @param saved the checkpoint that the run goes on from; null for one that begins */
  constructor(run: RunContext, progress: RunProgress, saved: string | null) {
    [this.#run, this.#progress, this.#saved] = [run, progress, saved];
  }

  get progress(): RunProgress {
    return this.#progress;
  }

  get saved(): string | null {
    return this.#saved;
  }

  /**
   * Goes on to the last step, or to where the signal ends it: both leave a checkpoint.
   *
   * @returns whether all steps were made
   * @throws TfcError TRAIN_NOT_FINITE, TRAIN_NOT_SAVED; what running throws
   */
  async go(): Promise<boolean> {
    const { plan, options } = this.#run;
    const isDue = (every: number): boolean => {
      const { step } = this.#progress;
      return step === plan.steps || step % every === 0;
    };
    for (;;) {
      if (isDue(plan.evalEvery) && !(await this.#evaluate())) break;
      if (this.#progress.step > 0 && isDue(plan.saveEvery)) await this.#save();
      if (this.#progress.step >= plan.steps) return true;
      if (options.signal?.aborted === true) break;
      await this.#step(this.#progress.step + 1);
      // Signals are heard when the event loop turns.
      await setImmediate();
      await this.#run.onNews();
    }
    if (this.#progress.step > 0) await this.#save();
    return false;
  }

  async #step(step: number): Promise<void> {
    const { plan, options, dataset, metrics, sink, graph, train, folder } = this.#run;
    const { train: sequences } = dataset;
    const start = performance.now();
    const { epoch, batches: indices } = sequencesOfStep(step, plan, options, sequences.count);
    const batches = indices.map((batch) =>
      batchOf(
        batch.map((index) => sequences.at(epoch, index)),
        this.#run.padding,
      ),
    );
    const learningRate = learningRateAt(step, plan.rate);
    const places = (): string => dataset.places(batches.flatMap(({ examples }) => examples));
    let result: StepResult | null = null;
    if (batches.some(({ learned }) => learned > 0)) {
      result = await this.#update(step, batches, learningRate);
      this.#judge(step, result, places);
    } else if (!sink.diagnostics.some(({ code }) => code === "TRAIN_BATCH_UNLEARNED"))
      sink.report("TRAIN_BATCH_UNLEARNED", { file: graph }, { step, places: places() });
    const read = (indices.at(-1)?.at(-1) ?? -1) + 1;
    this.#progress = { ...this.#progress, step, epoch, sequences: read };
    const seconds = (performance.now() - start) / 1000;
    const { lossScale } = this.#progress;
    const line: StepMetrics = {
      ...{ step, epoch: fraction(epoch + read / sequences.count), loss: result?.loss ?? null },
      ...{ learning_rate: learningRate, grad_norm: finiteOr(result?.gradNorm) },
      tokens: result?.learned ?? 0,
      tokens_per_second: Math.round(batches.reduce((n, { tokens }) => n + tokens, 0) / seconds),
      ...(train.training.lossScale ? { loss_scale: lossScale.value } : {}),
    };
    await this.#keeping(folder.metrics, () => {
      metrics.add(line);
    });
    this.#tellStep(line, seconds);
  }

  async #update(step: number, batches: readonly Batch[], learningRate: number): Promise<StepResult> {
    const { train, state, options } = this.#run;
    const stream = random(options.seed, `dropout ${step}`);
    return trainStep(train, state, batches, {
      learningRate,
      update: this.#progress.updates + 1,
      weightDecay: options.weightDecay,
      clip: options.clip,
      lossScale: this.#progress.lossScale.value,
      dropoutSeeds: batches.map(() => stream.below(2 ** 31)),
    });
  }

  /** Whether a step was one: without a loss scale nothing may overflow, and a loss never. */
  #judge(step: number, { loss, gradNorm }: StepResult, places: () => string): void {
    const { train } = this.#run;
    if (!Number.isFinite(loss)) throw this.#notFinite("loss", loss, places(), step);
    const isFinite = Number.isFinite(gradNorm);
    const { updates, lossScale } = this.#progress;
    const next = train.training.lossScale ? nextLossScale(lossScale, isFinite) : lossScale;
    if (next === null || (!isFinite && !train.training.lossScale))
      throw this.#notFinite("norm of the gradients", gradNorm, places(), step);
    this.#progress = { ...this.#progress, updates: isFinite ? updates + 1 : updates, lossScale: next };
  }

  #notFinite(what: string, found: number, of: string, step = this.#progress.step): TfcError {
    const text = { step, what, found: String(found), places: of, saved: this.#saved };
    return inputError("TRAIN_NOT_FINITE", { file: this.#run.graph }, text);
  }

  /** @throws TfcError TRAIN_NOT_FINITE for parameters, or moments, that an update has made useless */
  #checkState(): void {
    for (const [name, { data }] of this.#run.state.saved) {
      if (!(data instanceof Float32Array)) continue;
      const bad = data.find((value) => !Number.isFinite(value));
      if (bad !== undefined) throw this.#notFinite("update", bad, name);
    }
  }

  #tellStep(metrics: StepMetrics, seconds: number): void {
    const { plan, options } = this.#run;
    this.#durations.push(seconds);
    if (this.#durations.length > WINDOW) this.#durations.shift();
    const mean = this.#durations.reduce((sum, one) => sum + one, 0) / this.#durations.length;
    const secondsLeft = mean * (plan.steps - metrics.step);
    options.onEvent?.({ kind: "step", metrics, steps: plan.steps, secondsLeft });
  }

  /** Evaluates, where there is something to evaluate on and that was not done. @returns false where it was ended */
  async #evaluate(): Promise<boolean> {
    const { dataset, options, loss, state, padding, metrics, folder, graph, train, plan } = this.#run;
    const { step, epoch, sequences: read } = this.#progress;
    const { evaluation: sequences } = dataset;
    const isDone = metrics.all.some((one) => isEvaluation(one) && one.step === step);
    if (sequences.count === 0 || isDone) return true;
    options.onEvent?.({ kind: "evaluating" });
    const { batch, signal } = options;
    const how = { loss, sequences, batch, padding, ...(signal === undefined ? {} : { signal }) };
    const found = await evaluate(how, state.feeds).catch((error: unknown) => {
      if (signal?.aborted === true && error === signal.reason) return null;
      throw error;
    });
    if (found === null) return false;
    // Of what was held back nothing may be learned: then there is no loss.
    if (found.learned === 0) return true;
    if (!Number.isFinite(found.loss))
      throw this.#notFinite("evaluation loss", found.loss, "the examples that were held back");
    const line: EvalMetrics = {
      ...{ step, epoch: fraction(epoch + read / dataset.train.count) },
      ...{ eval_loss: found.loss, perplexity: found.perplexity, eval_tokens: found.learned },
    };
    const isBest = found.loss < (this.#progress.best?.loss ?? Infinity);
    const best = { step, loss: found.loss };
    await this.#keeping(isBest ? folder.best : folder.metrics, async () => {
      metrics.add(line);
      if (isBest) await writeTrained(folder.best, graph, train.training, state.saved, bestMetadata(best));
    });
    if (isBest) this.#progress = { ...this.#progress, best };
    options.onEvent?.({ kind: "evaluation", metrics: line, steps: plan.steps, isBest });
    return true;
  }

  /** Writes what a run must keep. @throws TfcError TRAIN_NOT_SAVED, which names the last checkpoint */
  async #keeping(file: string, act: () => Promise<void> | void): Promise<void> {
    try {
      await act();
    } catch (cause) {
      if (!(cause instanceof TfcError) || cause.code !== "FILE_NOT_WRITABLE") throw cause;
      const [found, { step }] = [cause.diagnostics[0]?.found ?? "", this.#progress];
      throw inputError("TRAIN_NOT_SAVED", { file }, { step, found, saved: this.#saved }, cause);
    }
  }

  async #save(): Promise<void> {
    const { folder, state, settings, metrics, options, graph, train } = this.#run;
    const { step } = this.#progress;
    const file = folder.checkpoints.fileOf(step);
    if (this.#saved === file) return;
    this.#checkState();
    await this.#keeping(file, async () => {
      metrics.flush();
      const text = { version: 1, progress: this.#progress, settings } as const;
      const said = adapterMetadata(trainedAdapter(graph, train.training, state.saved));
      await writeCheckpoint(file, { ...text, tensors: state.saved }, said);
    });
    this.#saved = file;
    folder.checkpoints.keepLast(options.keep, step);
    options.onEvent?.({ kind: "saved", file, step });
  }
}

function finiteOr(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

function fraction(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
