import { freshNames, type FreshName } from "../adapters/index.ts";
import type { Progress } from "../onnx/output.ts";
import { kvForms, type KvForm } from "../ops/kv.ts";
import { logitsForms } from "../ops/logits.ts";
import { providers, type Provider } from "../ops/providers.ts";
import type { PassResult } from "../pass/runner.ts";
import { residences, type Residence } from "../../passes/index.ts";
import { blockSizes } from "../weights/nbits/settings.ts";
import { checkGiven, holds, isSomeTexts, isText, isTexts, oneOf, type Checks } from "./check-given.ts";
import { halfNames, portNames, type HalfName, type PortName } from "./dtypes.ts";
import { weightModes, type WeightMode } from "./place-weights.ts";
import type { TrainOptions } from "./train.ts";
import { isBlockSize, quantizations, type Quantization } from "./quantize.ts";

/** Adapters of one kind at some sites. */
export interface AdapterEntry {
  readonly kind: FreshName;
  /** `mlp@0-15,q_proj`, or one such text each. Default: where the kind usually goes. */
  readonly sites?: string | readonly string[];
  /** Options of the kind: rank, heads, tokens, … */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What to compile and how. */
export interface CompileOptions {
  /** The base model, an .onnx file. */
  readonly input: string;
  /** The compiled model. Default: `model.tfc.onnx` beside `model.onnx`. */
  readonly output?: string;
  /** Kind of fresh adapters. Default: `scalarlm`. */
  readonly adapter?: FreshName;
  /** Where fresh adapters go: `mlp@0-15,q_proj`, or one such text each. Default: where the kind usually goes. */
  readonly sites?: AdapterEntry["sites"];
  /** Options of the adapter kind; with `load`, what the files do not say of themselves. */
  readonly settings?: AdapterEntry["settings"];
  /** Fresh adapters of several kinds, in place of `adapter`, `sites` and `settings`. */
  readonly entries?: readonly AdapterEntry[];
  /** False adds none: the graph with its modules named. */
  readonly adapters?: boolean;
  /** Trained adapters: files or folders of any format. Only a bank takes several. */
  readonly load?: readonly string[];
  /** Where the adapters' weights are. Default `baked`. */
  readonly residence?: Residence;
  /** How many fresh adapters a bank holds. Default 1. */
  readonly members?: number;
  /** Projections, and MLPs, that become token-parameter attention. With `load` its weights are taken from there. */
  readonly replace?: readonly Omit<AdapterEntry, "kind">[];
  /** Seed of the numbers that fresh adapters begin with. Default 0. */
  readonly seed?: number;
  /** Takes adapters that belong to another base. */
  readonly force?: boolean;
  /** Where the base's weights go. Default: `link` beside the base, `copy` in another folder. */
  readonly weights?: WeightMode;
  /** Writes what plain ops compute as the ops that this execution provider has kernels for. Default: as the exporter wrote it. */
  readonly for?: Provider;
  /** Converts a model of float32: its weights, and what is computed with them. Default: as it is. */
  readonly dtype?: HalfName;
  /** The type of the float inputs and outputs, logits and caches, of a model that is converted. Default: that of `dtype`. */
  readonly ioDtype?: PortName;
  /** Quantizes the weights of projections and of the head to integers of 4 or 8 bits; adapters stay as they are. */
  readonly quantize?: Quantization;
  /** How many inputs share a scale: 16, 32, 64, 128 or 256. Default 32. */
  readonly block?: number;
  /** Quantizes around 0; else each block has a zero point. Default false. */
  readonly symmetric?: boolean;
  /** Writes the projections of q, k and v, and those of gate and up, as one product each: their weights are written anew. */
  readonly pack?: boolean;
  /** How many rows the graph takes, 1 or more: what only other numbers need is left out. Default: as many as the base. */
  readonly batch?: number;
  /**
   * With `batch: 1`: the row holds tokens only, none of padding. The mask is taken for ones, whatever is fed, and positions
   * are counted from the past in place of being an input. Default false.
   */
  readonly unpadded?: boolean;
  /**
   * With `for`, how keys and values are kept from step to step: `concat`, as exported; `shared`, in buffers of
   * `maxLength` positions, each of which is past and present in one. Default `concat`.
   */
  readonly kv?: KvForm;
  /** Positions in a shared cache: tokens of prompt and answer together. Default: the model's context length. */
  readonly maxLength?: number;
  /**
   * Computes logits of chosen positions only: `count`, or true, of as many of the last ones as the input
   * `num_logits_to_keep` says (1 where it is not fed, 0 for all); `rows`, of those that `logits_indices` lists. Of flat
   * tokens it is always `rows`. Default: of all positions.
   */
  readonly lastLogits?: boolean | "count" | "rows";
  /**
   * Makes the graph a loop that generates: decoder, sampling and stop ids, with caches inside. It takes prompts and gives
   * new tokens. Default false.
   */
  readonly decodeLoop?: boolean;
  /**
   * Makes the graph a training step: it takes token ids, a mask and labels, parameters and optimizer state, and gives the
   * loss and what the parameters are next. Adapters are its inputs.
   */
  readonly train?: TrainOptions;
  /** Writes a TypeScript module for exactly this graph beside the other outputs: a path that ends in `.ts`. */
  readonly bindings?: string;
  /** Writes paged attention with standard ops, for where onnxruntime has no kernel for it. */
  readonly lowerPagedAttention?: boolean;
  /** Makes every warning an error. */
  readonly strict?: boolean;
  /** Goes on when external data is missing: the graph is compiled, its weights are to be put beside it. */
  readonly allowMissingWeights?: boolean;
  /** Prints the graph in ONNX's textual syntax after a pass, which must be one that runs. */
  readonly dumpAfter?: { readonly pass: string; readonly print: (text: string) => void };
  /** Is called after each pass, with what it did. */
  readonly afterPass?: (result: PassResult) => void;
  /** Is told how many bytes of a file have been written, and of how many. */
  readonly progress?: Progress;
}

function isDump(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { pass, print } = value as Readonly<Record<string, unknown>>;
  return isText(pass) && typeof print === "function";
}

/** Of rows or positions. */
const aCount = [
  "a whole number, 1 or more",
  (value: unknown) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value < 2 ** 31,
] as const;

/** What each option may hold. Ranges, sites and settings are checked where they are understood. */
const checks: Checks<CompileOptions> = {
  input: holds.model,
  output: ["a path", (value) => typeof value === "string"],
  adapter: oneOf(freshNames),
  sites: ["text, or a list of texts", (value) => isText(value) || isTexts(value)],
  settings: holds.settings,
  entries: holds.list,
  adapters: holds.yesNo,
  load: ["a list of paths, one at least", isSomeTexts],
  residence: oneOf(residences),
  members: holds.integer,
  replace: holds.list,
  seed: holds.integer,
  force: holds.yesNo,
  weights: oneOf(weightModes),
  for: oneOf(providers),
  dtype: oneOf(halfNames),
  ioDtype: oneOf(portNames),
  quantize: oneOf(quantizations),
  block: [blockSizes.join(", "), isBlockSize],
  symmetric: holds.yesNo,
  pack: holds.yesNo,
  kv: oneOf(kvForms),
  batch: aCount,
  unpadded: holds.yesNo,
  maxLength: aCount,
  lastLogits: [
    `true, false, or one of ${logitsForms.join(", ")}`,
    (value) => typeof value === "boolean" || logitsForms.some((form) => form === value),
  ],
  decodeLoop: holds.yesNo,
  train: holds.settings,
  bindings: ["a path that ends in .ts", isText],
  lowerPagedAttention: holds.yesNo,
  strict: holds.yesNo,
  allowMissingWeights: holds.yesNo,
  dumpAfter: ["{ pass, print }", isDump],
  afterPass: holds.callback,
  progress: holds.callback,
};

/** @throws TfcError OPTION_UNKNOWN, OPTION_OUT_OF_RANGE */
export function checkCompileOptions(given: CompileOptions): void {
  checkGiven(given, checks, "compile", ["input"]);
}
