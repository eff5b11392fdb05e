import type { TokenRules } from "../generate/token-rules.ts";
import type { SamplingOptions } from "../generate/sampling.ts";
import type { Json } from "../generate/json.ts";
import type { HostTensor } from "../session/tensor.ts";
import type { ExternalFile, OrtHost } from "./ort.ts";

/** What a build knows of a graph: what a module that it makes hands over. */
export interface ModelSpec<D extends ModelFacts = ModelFacts> {
  /** What messages call the model. */
  readonly name: string;
  /** The graph. */
  readonly url: string;
  /** Its files of weights. */
  readonly data: readonly WeightFile[];
  /** The file with its tokenizer, as {@link TextFile} has it; null where it has none. */
  readonly text: string | null;
  readonly description: D;
  readonly facts: RunFacts;
  readonly host: OrtHost;
}

/** A file of weights. */
export interface WeightFile extends ExternalFile {
  /** Bytes. */
  readonly size: number;
}

/** What modules show of a graph. */
export interface ModelFacts {
  readonly inputs: readonly { readonly name: string }[];
  readonly outputs: readonly { readonly name: string }[];
  readonly adapters: readonly { readonly slot: string }[];
}

/** What modules show of a graph whose names a build has written down as types. */
export interface NamedFacts<Input extends string, Output extends string, Slot extends string> {
  readonly inputs: readonly (NamedPort<Input> & { readonly isOptional: boolean; readonly role: string })[];
  readonly outputs: readonly NamedPort<Output>[];
  readonly adapters: readonly {
    readonly slot: Slot;
    readonly kind: string;
    readonly settings: Readonly<Record<string, unknown>>;
    readonly tensors: readonly NamedTensor[];
  }[];
}

/** An input or output. */
export interface NamedPort<Name extends string> {
  readonly name: Name;
  /** The element type in ONNX's words; null for what is no tensor. */
  readonly type: string | null;
  /** Sizes, and names of those that a run decides; null where the graph says nothing of the rank. */
  readonly dims: readonly (number | string)[] | null;
}

/** A tensor of an adapter. */
export interface NamedTensor {
  readonly name: string;
  /** Its name below the slot. */
  readonly part: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
  readonly isInput: boolean;
  readonly isCoefficient: boolean;
}

/** What running needs to know of a graph that its inputs and outputs do not tell. */
export interface RunFacts {
  /** What it says of itself, as far as tfc wrote it. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly byLengths: boolean;
  readonly mixesRows: boolean;
  readonly unread: readonly string[];
  readonly widths: Readonly<Record<string, number>>;
  /** Positions of caches that hold a window of what came before, by input. */
  readonly windows: Readonly<Record<string, number>>;
  /** What is fed to inputs that a run leaves out. */
  readonly defaults: Readonly<Record<string, DefaultTensor>>;
  /** Whether it generates by itself, in one run. */
  readonly isLoop: boolean;
}

/** A small tensor as JSON; 64-bit integers as text. */
export interface DefaultTensor {
  readonly dtype: HostTensor["dtype"];
  readonly dims: readonly number[];
  readonly data: readonly (number | string)[];
}

/** What lies beside a model and has to do with text, in one file. */
export interface TextFile {
  readonly version: 1;
  /** tokenizer.json */
  readonly definition: Json;
  /** tokenizer_config.json */
  readonly config: Json;
  /** special_tokens_map.json */
  readonly map: Json;
  /** Ids that end a text, as the files beside the tokenizer have them. */
  readonly tokenizerEosIds: readonly number[];
  /** The chat template; null where there is none. */
  readonly template: string | null;
  readonly eosIds: readonly number[];
  readonly contextLength: number | null;
  readonly sampling: SamplingOptions;
  readonly rules: TokenRules;
  readonly stops: readonly string[];
}
