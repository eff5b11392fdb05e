import { readFileSync } from "node:fs";
import path from "node:path";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import type {
  TrainEvent,
  TrainingOptions,
  TrainingReport,
  TrainSource,
} from "../../../runtime/train/options.ts";
import { trainModel } from "../../../runtime/train/train.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { jsonl, tokenizerFolder } from "./texts.ts";
import { tinyTrainingGraph } from "./tiny-graph.ts";

export const folder = temporaryFolder();
export const tokenizer = tokenizerFolder(folder);
let count = 0;
export const named = (what: string): string => path.join(folder, `${count++}${what}`);

export const texts = Array.from({ length: 60 }, (_, i) => ({
  text: `Emma is ${i} and handsome, clever, and rich.`,
}));
export const data = jsonl(named(".jsonl"), texts);
export const graph = await tinyTrainingGraph(named(""));
export const common = { data: [data], tokenizer, length: 32, batch: 4, learningRate: 0.05 } as const;

export async function train(
  options: Partial<TrainingOptions> = {},
  of = graph,
  sink = new Sink(),
): Promise<TrainingReport> {
  const source: TrainSource = {
    model: { file: of, folder: path.dirname(of) },
    graphs: async () => Promise.resolve({ train: of, loss: null }),
    settings: {},
  };
  return trainModel(source, { ...common, out: named(".run"), ...options }, sink);
}

export type Line = Readonly<Record<string, number | null>>;

/** What was written of each step and evaluation, without times. */
export function linesOf({ files }: TrainingReport): readonly Line[] {
  const lines = readFileSync(files.metrics, "utf8").trimEnd().split("\n");
  return lines.map((line) => ({ ...(JSON.parse(line) as Line), tokens_per_second: 0 }));
}

export const lossesOf = (report: TrainingReport): number[] =>
  linesOf(report).flatMap(({ loss }) => (typeof loss === "number" ? [loss] : []));

/** Ends a run behind a step. */
export function endedAt(step: number): Pick<TrainingOptions, "signal" | "onEvent"> {
  const controller = new AbortController();
  const onEvent = (event: TrainEvent): void => {
    if (event.kind === "step" && event.metrics.step === step) controller.abort(new Error("enough"));
  };
  return { signal: controller.signal, onEvent };
}
