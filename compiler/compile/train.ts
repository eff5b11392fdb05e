import { trainBase, type TrainBaseOptions } from "../../passes/index.ts";
import { inputError, type TfcError } from "../diagnostics/error.ts";
import { emits, memories, type Emit, type Memory } from "../ops/training.ts";
import { checkGiven, holds, isText, oneOf, type Checks } from "./check-given.ts";
import type { CompileOptions } from "./options.ts";

/** What a training graph is to be like. */
export interface TrainOptions {
  /** What it gives: updated parameters, their gradients, or the loss alone. Default `update`. */
  readonly emit?: Emit;
  /** What the forward keeps for the backward: everything, what is dear to compute again, or little. Default: by the model's sizes. */
  readonly memory?: Memory;
  /** Weights of the base that are trained, too: `norms,embed_tokens,lm_head,q_proj,mlp@0-3,biases,router,experts` or `all`. Default: none. */
  readonly base?: string;
  /** Has these weights begin as random numbers, as those of a model that nobody has trained. Default false. */
  readonly fromScratch?: boolean;
  /** Sums gradients over several batches before an update. Default false. */
  readonly accumulate?: boolean;
  /** The share of what goes into LoRA that is dropped, from 0 up to 1. Default 0. */
  readonly dropout?: number;
}

/** What options ask for of a training graph. */
export interface TrainPlan {
  readonly emit: Emit;
  /** Null for a choice by the model's sizes. */
  readonly memory: Memory | null;
  /** Null for none. */
  readonly base: TrainBaseOptions["weights"] | null;
  readonly fromScratch: boolean;
  readonly accumulate: boolean;
  readonly dropout: number;
}

const checks: Checks<TrainOptions> = {
  emit: oneOf(emits),
  memory: oneOf(memories),
  base: ["what is trained, as text", isText],
  fromScratch: holds.yesNo,
  accumulate: holds.yesNo,
  dropout: ["a number from 0 up to 1", (value) => typeof value === "number" && value >= 0 && value < 1],
};

/** What is asked for of a training graph; null for none. @throws TfcError OPTION_* */
export function trainPlanOf(options: CompileOptions): TrainPlan | null {
  const { train } = options;
  if (train === undefined) return null;
  checkGiven(train, checks, "compile's train", []);
  const { emit = "update", memory = null, accumulate = false, dropout = 0 } = train;
  const { fromScratch = false } = train;
  const base = train.base === undefined ? null : trainBase.options.weights.check(train.base, "base");
  if (fromScratch && base === null)
    throw inputError("OPTION_UNUSED", {}, { option: "fromScratch", needs: "`base`" });
  if (fromScratch && (options.load ?? []).length > 0)
    throw conflict("fromScratch", "`load`, which begins with trained weights");
  if (accumulate && emit !== "update")
    throw conflict("accumulate", `\`emit: ${emit}\`, which updates nothing`);
  if (memory !== null && emit === "loss")
    throw conflict(`memory: ${memory}`, "`emit: loss`, which has no backward");
  const [other] = conflicts(options);
  if (other !== undefined) throw conflict("train", other);
  return { emit, memory, base, fromScratch, accumulate, dropout };
}

/** Options that make a graph one of steps, or put adapters where nothing can change them. */
function* conflicts(options: CompileOptions): Generator<string, void, void> {
  const { decodeLoop, lastLogits = false, kv, residence = "inputs", members, load = [] } = options;
  if (decodeLoop === true) yield "`decodeLoop`, which makes a graph that generates";
  if (lastLogits !== false)
    yield `\`${lastLogits === "rows" ? "lastLogits: rows" : "lastLogits"}\`: the loss is of all positions`;
  if (kv === "shared") yield "`kv: shared`: whole sequences have no cache";
  if (options.maxLength !== undefined) yield "`maxLength`: whole sequences have no cache";
  if (options.batch !== undefined)
    yield "`batch`: a run decides how many sequences a step takes, and the last step may have fewer";
  if (options.unpadded === true) yield "`unpadded`: sequences of a step are padded to one length";
  if (options.lowerPagedAttention === true)
    yield "`lowerPagedAttention`: whole sequences have no cache, paged or other";
  if (residence !== "inputs") yield `\`residence: ${residence}\`: what trains is an input`;
  if (members !== undefined && members > 1) yield "`members`: one adapter trains at a time";
  if (load.length > 1) yield "`load` of several: one adapter trains at a time";
}

function conflict(option: string, other: string): TfcError {
  return inputError("OPTION_CONFLICT", {}, { option, other });
}
