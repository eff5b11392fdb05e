import { writeFileSync } from "node:fs";
import path from "node:path";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import type { Training } from "../../../compiler/ops/training.ts";
import { OutputFiles } from "../../../compiler/onnx/output.ts";
import { sizeOf } from "../../../compiler/weights/weight.ts";
import type { Dataset } from "../data/dataset.ts";
import type { RunFolder } from "../folder.ts";
import type { MetricsFile } from "../metrics.ts";
import type { FullOptions, Plan } from "../plan.ts";
import { grouped, lossPlot, runPage } from "./page.ts";

/** What a run's page is about. */
export interface PageContext {
  /** As the user named it: a model, or a graph that trains. */
  readonly model: string;
  readonly options: FullOptions;
  readonly plan: Plan;
  readonly dataset: Dataset;
  readonly folder: RunFolder;
  readonly metrics: MetricsFile;
  readonly training: Training;
  readonly length: number;
}

/** Milliseconds between two pages. */
const PAUSE = 3000;

/** Writes a run's page and plot while it goes on, and when it ends. */
export class RunPage {
  readonly #run: PageContext;
  readonly #about: readonly (readonly [string, string])[];
  #written = -Infinity;

  constructor(run: PageContext) {
    this.#run = run;
    this.#about = aboutText(run);
  }

  /** Writes them when they are old. Where that fails, what a run must keep will say so. */
  async update(): Promise<void> {
    if (performance.now() - this.#written < PAUSE) return;
    this.#written = performance.now();
    await this.#write("running", true).catch(ignoreUnwritable);
  }

  /** Does a run's work, and writes how it ended. @param act gives whether all was done */
  async during(act: () => Promise<boolean>): Promise<boolean> {
    await this.#write("running", true).catch(ignoreUnwritable);
    try {
      const isDone = await act();
      await this.#write(isDone ? "done" : "interrupted", false).catch(ignoreUnwritable);
      return isDone;
    } catch (error) {
      await this.#write("failed", false, reasonOf(error)).catch(ignoreUnwritable);
      throw error;
    }
  }

  async #write(state: string, isRunning: boolean, reason: string | null = null): Promise<void> {
    const { folder, metrics, plan } = this.#run;
    const content = {
      ...{ about: this.#about, metrics: metrics.all, steps: plan.steps, state, isRunning, reason },
      written: new Date(),
    };
    const files = new OutputFiles();
    try {
      await files.stage(folder.plot, write(lossPlot(content)));
      await files.stage(folder.page, write(runPage(content)));
      await files.commit();
    } catch (error) {
      files.discard();
      throw error;
    }
    this.#written = performance.now();
  }
}

/** Why a run failed, in one line: more is on the terminal. */
function reasonOf(error: unknown): string {
  const [first] = error instanceof TfcError ? error.diagnostics : [];
  if (first === undefined) return error instanceof Error ? error.message : String(error);
  const { code, what, found, fix } = first;
  return [`${code}: ${what}`, found === undefined ? [] : `found ${found}`, fix ?? []].flat().join("; ");
}

/** A page is no reason to lose a run. */
function ignoreUnwritable(error: unknown): void {
  if (!(error instanceof TfcError) || error.code !== "FILE_NOT_WRITABLE") throw error;
}

function write(text: string): (temporary: string) => void {
  return (temporary) => {
    writeFileSync(temporary, text);
  };
}

function aboutText(run: PageContext): readonly (readonly [string, string])[] {
  const { model, options, dataset, training, plan, length } = run;
  const { batch, accumulate, learningRate, schedule, weightDecay, clip, seed } = options;
  const parameters = training.parameters.reduce((n, parameter) => n + sizeOf(parameter), 0);
  const { train, evaluation } = dataset.examples;
  const times = accumulate === 1 ? "" : `, ${accumulate} batches an update`;
  return [
    ["model", path.resolve(model)],
    ["parameters", grouped(parameters)],
    ["data", options.data.join(", ")],
    [
      "examples",
      `${grouped(train)} to train on, ${grouped(evaluation)} to evaluate on; ${grouped(dataset.tokens)} tokens`,
    ],
    [
      "sequences",
      `${grouped(dataset.train.count)} an epoch, ${length} tokens at most, ${batch} in a batch${times}`,
    ],
    ["steps", `${grouped(plan.steps)}, ${grouped(plan.stepsPerEpoch)} an epoch`],
    [
      "learning rate",
      `${learningRate}, ${schedule}; weight decay ${weightDecay}, ${clip === 0 ? "not clipped" : `clipped to ${clip}`}`,
    ],
    ["seed", String(seed)],
  ];
}
