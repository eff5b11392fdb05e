import type { Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import type { Provider } from "../session/devices.ts";
import type { ModelPlace } from "../generate/model-text.ts";
import type { Packing } from "./data/sequences.ts";
import type { RunSettings } from "./checkpoint/progress.ts";
import type { EvalMetrics, StepMetrics } from "./metrics.ts";
import type { Schedule } from "./schedule.ts";

/** How a model is trained. */
export interface TrainingOptions {
  /** Files of training data: .jsonl, .csv, .parquet and .txt. */
  readonly data: readonly string[];
  /** The folder of the run: its adapter, checkpoints, metrics and page. */
  readonly out: string;
  /** How often the data are read. Default 1. */
  readonly epochs?: number;
  /** Updates, in place of `epochs`. */
  readonly steps?: number;
  /** Sequences that are run together. Default 8. */
  readonly batch?: number;
  /** Batches that make up an update. Default 1. */
  readonly accumulate?: number;
  /** Tokens of a sequence at most. Default 512, or the model's context where that is shorter. */
  readonly length?: number;
  /** Default: texts are packed, examples of which only answers are learned are filled up. */
  readonly packing?: Packing;
  /** The highest learning rate. Default 0.001. */
  readonly learningRate?: number;
  /** Default "cosine". */
  readonly schedule?: Schedule;
  /** The share of the steps in which the learning rate rises. Default 0.03. */
  readonly warmup?: number;
  /** Default 0.01. */
  readonly weightDecay?: number;
  /** The norm that all gradients together are clipped to; 0 clips nothing. Default 1. */
  readonly clip?: number;
  /** The share of the examples that is held back to evaluate on. Default 0.05. */
  readonly evalSplit?: number;
  /** Steps between two evaluations. Default: a tenth of all steps. */
  readonly evalEvery?: number;
  /** Steps between two checkpoints. Default: a tenth of all steps. */
  readonly saveEvery?: number;
  /** Checkpoints that are kept, the last ones. Default 2. */
  readonly keep?: number;
  /** Of the order of the data, of the part that is held back, and of dropout. Default 0. */
  readonly seed?: number;
  /** Where it runs; "auto" takes CUDA where it starts, else the CPU. Default "auto". */
  readonly device?: Provider | "auto";
  /** Threads within an op; onnxruntime's choice when left out. */
  readonly threads?: number;
  /** Folder of the tokenizer, or its tokenizer.json; the model's folder when left out. */
  readonly tokenizer?: string;
  /** Goes on from the last checkpoint in `out`. */
  readonly resume?: boolean;
  /**
   * AdamW's state to begin with: a run's folder, of which the last checkpoint counts, or a checkpoint. Where the adapter
   * is a grown one, its new slices begin with zeros.
   */
  readonly state?: string;
  /** Ends the run behind the step that is made: a checkpoint is saved first. */
  readonly signal?: AbortSignal;
  /** Is told what happens. */
  readonly onEvent?: (event: TrainEvent) => void;
}

/** What happens while a model is trained. */
export type TrainEvent =
  | { readonly kind: "reading"; readonly file: string; readonly done: number; readonly total: number }
  | { readonly kind: "compiling"; readonly file: string; readonly done: number; readonly total: number }
  | { readonly kind: "loading" }
  /** The first step is to come: warnings and notes so far, which the report has, too. */
  | { readonly kind: "begun"; readonly diagnostics: readonly Diagnostic[] }
  | {
      readonly kind: "step";
      readonly metrics: StepMetrics;
      readonly steps: number;
      readonly secondsLeft: number;
    }
  | { readonly kind: "evaluating" }
  | {
      readonly kind: "evaluation";
      readonly metrics: EvalMetrics;
      readonly steps: number;
      readonly isBest: boolean;
    }
  | { readonly kind: "saved"; readonly file: string; readonly step: number };

/** What is trained: a training graph, or what makes one. */
export interface TrainSource {
  /** The model, where messages speak of it and its tokenizer is looked for. */
  readonly model: ModelPlace;
  /**
   * Gives the graphs; what is made goes into a folder of the run.
   *
   * @param isKept whether the run goes on with those that were made for it
   */
  graphs(folder: string, isKept: boolean): Promise<TrainGraphs>;
  /** What else a run must have been begun with to be resumed. */
  readonly settings: RunSettings;
}

/** The graphs of a run. */
export interface TrainGraphs {
  /** Gives updated parameters. Its parameters' first values lie beside it. */
  readonly train: string;
  /** Gives the loss alone, of the same parameters; the other one is evaluated with where there is none. */
  readonly loss: string | null;
}

/** Defaults of {@link TrainingOptions}. */
export const trainingDefaults = {
  epochs: 1,
  batch: 8,
  accumulate: 1,
  length: 512,
  learningRate: 1e-3,
  schedule: "cosine",
  warmup: 0.03,
  weightDecay: 0.01,
  clip: 1,
  evalSplit: 0.05,
  keep: 2,
  seed: 0,
  device: "auto",
} as const;

/** What came of a run. */
export interface TrainingReport {
  readonly out: string;
  /** Whether it was ended before its last step. */
  readonly interrupted: boolean;
  /** Steps that were made, of all. */
  readonly step: number;
  readonly steps: number;
  readonly provider: Provider;
  /** Parameters that were trained: numbers, not tensors. */
  readonly parameters: number;
  readonly examples: { readonly train: number; readonly evaluation: number };
  readonly packing: Packing;
  readonly length: number;
  /** Tokens of the data. */
  readonly tokens: number;
  /** Loss of the first step, and the mean over the last tenth of the steps: two at least, ten at most. */
  readonly loss: { readonly first: number | null; readonly last: number | null };
  /** The last evaluation. */
  readonly evaluation: { readonly step: number; readonly loss: number; readonly perplexity: number } | null;
  /** The best one. */
  readonly best: { readonly step: number; readonly loss: number } | null;
  /** What was written: the adapter of the last step, the one of the best evaluation, the last checkpoint, … */
  readonly files: {
    readonly adapter: string;
    readonly best: string | null;
    readonly checkpoint: string | null;
    readonly metrics: string;
    readonly plot: string;
    readonly page: string;
  };
  /** Milliseconds. */
  readonly time: number;
}
