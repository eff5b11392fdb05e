import { inputError } from "../diagnostics/error.ts";

/** The key of a model's metadata that says that its graph is a training step, as {@link Training} has it. */
export const TRAIN_KEY = "tfc.train";

/** Metadata key of a checkpoint of training: where the run was, and its settings. */
export const CHECKPOINT_KEY = "tfc.checkpoint";

/** Metadata key of the adapter that a run's best evaluation is of: its step and loss. */
export const BEST_KEY = "tfc.best";

/** Metadata key of a node that no gradient goes through, as PEFT has it of DoRA's norms. */
export const DETACHED_KEY = "tfc.detached";

/** What a training graph gives: updated parameters, their gradients, or the loss alone, for evaluation. */
export const emits = ["update", "grads", "loss"] as const;
/** What a training graph gives: updated parameters, their gradients, or the loss alone, for evaluation. */
export type Emit = (typeof emits)[number];

/**
 * What the forward keeps for the backward, beside the residual stream between the blocks: all that is needed; of each
 * block what is dear to compute again (q, k, v, gate and up, each with its adapter); or nothing.
 */
export const memories = ["none", "selective", "recompute"] as const;
/** What the forward keeps for the backward: everything, what is dear to compute again, or inputs of layers alone. */
export type Memory = (typeof memories)[number];

/** The label of a position that counts for nothing in the loss. */
export const IGNORED_LABEL = -100;

/** Inputs of a training graph, besides those of its parameters. B rows of S tokens. */
export const trainInputs = {
  /** int64 `[B, S]`: shorter rows padded, on either side */
  ids: "input_ids",
  /** int64 `[B, S]`: 1 at tokens, 0 at padding */
  mask: "attention_mask",
  /** int64 `[B, S]`, aligned with the ids: position t is judged by the label at t + 1; −100 counts for nothing */
  labels: "labels",
  /** float `[]` */
  learningRate: "learning_rate",
  /** int64 `[]`: 1 in the first update, 2 in the second, …, for the correction of AdamW's bias */
  step: "step",
  /** float `[]`: what the loss is multiplied by before it is differentiated; in half precision only */
  lossScale: "loss_scale",
  /** int64 `[]`, below 0 to drop nothing; with dropout only */
  dropoutSeed: "dropout_seed",
  /** int64 `[]`: labels that count in the batches accumulated so far */
  tokensSum: "tokens_sum",
  /** bool `[]`: whether this batch is the last one before an update; with accumulation only */
  update: "update",
} as const;

/** Inputs that need not be fed: float `[]`. The runtime here makes them required: Node's binding would ignore them. */
export const trainDefaults = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weight_decay: 0.01,
  /** 0 clips nothing */
  max_grad_norm: 1,
} as const;

/** Outputs of a training graph, besides those of its parameters. */
export const trainOutputs = {
  /** float `[]`: mean over the labels that count, 0 where none does */
  loss: "loss",
  /** int64 `[]`: labels that count */
  tokens: "tokens",
  /** float `[]`: norm of all gradients together, before clipping; not finite where half precision overflowed */
  gradNorm: "grad_norm",
  /** int64 `[]`; with accumulation only */
  tokensSum: "tokens_sum.updated",
} as const;

/** Inputs and outputs of one parameter, all float of its shape. */
export interface ParameterPorts {
  readonly value: string;
  /** AdamW's running means of the gradient and of its square; where the graph updates. */
  readonly expAvg: string;
  readonly expAvgSq: string;
  /** Sum of gradients so far; with accumulation. */
  readonly gradSum: string;
  readonly updated: string;
  readonly updatedExpAvg: string;
  readonly updatedExpAvgSq: string;
  readonly updatedGradSum: string;
  /** Gradient of the mean loss; where the graph gives gradients. */
  readonly grad: string;
}

/** The names that go with a parameter's. */
export function parameterPorts(name: string): ParameterPorts {
  const state = { expAvg: `${name}.exp_avg`, expAvgSq: `${name}.exp_avg_sq`, gradSum: `${name}.grad_sum` };
  return {
    value: name,
    ...state,
    updated: `${name}.updated`,
    updatedExpAvg: `${state.expAvg}.updated`,
    updatedExpAvgSq: `${state.expAvgSq}.updated`,
    updatedGradSum: `${state.gradSum}.updated`,
    grad: `${name}.grad`,
  };
}

/** A tensor that is trained. It is a float input, and begins with the numbers in the file of the adapters. */
export interface TrainParameter {
  /** As an adapter's leaf is named, `model.layers.0.mlp.tokenformer_k`, or as Hugging Face names a weight of the base. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether weight decay makes it smaller: adapters and matrices are, vectors of norms and biases are not. */
  readonly decay: boolean;
  /** The place of the adapter whose leaf it is, `model.layers.0.mlp`; null for a weight of the base. */
  readonly site: string | null;
}

/** What a graph says of its training step. */
export interface Training {
  readonly version: 1;
  readonly emit: Emit;
  readonly memory: Memory;
  /** Whether gradients are summed over several batches before an update. */
  readonly accumulate: boolean;
  /** The share of what goes into LoRA that is dropped; 0 for none. */
  readonly dropout: number;
  /** Whether it takes a loss scale, as graphs of half precision do. */
  readonly lossScale: boolean;
  /** Logits of a token: labels are below; null where the decoder does not say it. */
  readonly vocabulary: number | null;
  /** In the order of the graph's inputs. */
  readonly parameters: readonly TrainParameter[];
}

/** What a graph says of its training step; null for one that is none. @throws TfcError TRAIN_METADATA_INVALID */
export function trainingIn(meta: ReadonlyMap<string, string>, file: string): Training | null {
  const text = meta.get(TRAIN_KEY);
  if (text === undefined) return null;
  const training = readTraining(text);
  if (training !== null) return training;
  throw inputError("TRAIN_METADATA_INVALID", { file }, { key: TRAIN_KEY, found: text.slice(0, 80) });
}

/**
 * Refuses a training step where a decoder is wanted.
 *
 * @param cannot what it cannot do, as a clause: `it generates nothing`
 * @throws TfcError ALREADY_TRAINING
 */
export function refuseTraining(meta: ReadonlyMap<string, string>, file: string, cannot: string): void {
  if (meta.has(TRAIN_KEY)) throw inputError("ALREADY_TRAINING", { file }, { cannot });
}

function readTraining(text: string): Training | null {
  const { version, emit, memory, accumulate, dropout, lossScale, vocabulary, parameters } = recordOf(
    parsed(text),
  );
  if (version !== 1 || typeof accumulate !== "boolean" || typeof lossScale !== "boolean") return null;
  const [emitted, kept] = [emits.find((one) => one === emit), memories.find((one) => one === memory)];
  if (emitted === undefined || kept === undefined) return null;
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout < 1)) return null;
  if (vocabulary !== null && !(isSize(vocabulary) && vocabulary > 0)) return null;
  if (!Array.isArray(parameters)) return null;
  const read = parameters.map(readParameter);
  const known = read.filter((one) => one !== null);
  if (known.length < read.length || new Set(known.map(({ name }) => name)).size < known.length) return null;
  const modes = { emit: emitted, memory: kept, accumulate, dropout, lossScale };
  return { version, ...modes, vocabulary, parameters: known };
}

function readParameter(value: unknown): TrainParameter | null {
  const { name, shape, decay, site } = recordOf(value);
  if (typeof name !== "string" || name === "" || typeof decay !== "boolean") return null;
  if (!Array.isArray(shape) || !shape.every(isSize)) return null;
  if (site !== null && typeof site !== "string") return null;
  return { name, shape, decay, site };
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
