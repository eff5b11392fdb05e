import type { DType } from "../ir/dtype.ts";
import type { Training } from "../ops/training.ts";
import type { DecodeLoop } from "../ops/decode-loop.ts";
import type { Role } from "../ops/ports/roles.ts";
import type { BlockKind } from "../sites/site.ts";

/** A size, the name of a symbol, or "" where the graph says nothing. */
export type DescribedDim = number | string;

/** An input or output of a graph. */
export interface DescribedPort {
  readonly name: string;
  /** The element type in ONNX's words, `float` or `int64`; null for what is no tensor: a sequence, a map. */
  readonly type: DType | null;
  /** Null where the graph says nothing of the rank. */
  readonly dims: readonly DescribedDim[] | null;
}

/** An input of a graph. */
export interface DescribedInput extends DescribedPort {
  /** Whether the graph has a default for it. onnxruntime's JavaScript binding does not take what such inputs are fed. */
  readonly isOptional: boolean;
  /** What it means to a decoder, by its name, type and rank: `tokens`, `mask`, `past`, … */
  readonly role: Role;
}

/** A layer of the decoder, with what is named in it. */
export interface DescribedLayer {
  /** Counted from 0. */
  readonly index: number;
  /** `model.layers.0` */
  readonly name: string;
  /** In the order of the graph. */
  readonly modules: readonly DescribedModule[];
}

/** A module of a layer. */
export interface DescribedModule {
  /** `model.layers.0.mlp` */
  readonly name: string;
  readonly kind: BlockKind | "norm";
  /** The model-local function that it is a call of; null in a graph that was not compiled. */
  readonly function: string | null;
  /** The projections that an adapter can stand beside, `q_proj`, …, as far as the graph names them. */
  readonly projections: readonly string[];
}

/** A tensor of an adapter, or one number that its product is multiplied by. */
export interface DescribedTensor {
  /** As the graph and files name it: `model.layers.0.mlp.lora_A.weight`. */
  readonly name: string;
  /** Its name below the slot: `lora_A.weight`. */
  readonly part: string;
  readonly type: DType;
  /** In a bank without the first dimension, which is the member's. A symbol where any size may be fed. */
  readonly shape: readonly DescribedDim[];
  /** Whether it is an input of the graph; else its numbers are in the model's files. */
  readonly isInput: boolean;
  /** Whether it is one number, such as the α/r of LoRA. */
  readonly isCoefficient: boolean;
}

/** A place in the graph that an adapter is put beside, or that token-parameter attention stands in place of. */
export interface DescribedAdapter {
  /** `model.layers.0.mlp` */
  readonly slot: string;
  /** `scalarlm`, `pattention` or `lora` */
  readonly kind: string;
  /** Options of the kind that it was compiled with, such as `{ rank: 8 }`. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly tensors: readonly DescribedTensor[];
}

/** Where keys and values are between two runs. */
export interface DescribedCache {
  /**
   * `none`; `concat`, a past and a present that is longer by what is new; `shared`, one buffer of `length` positions for
   * both, which tfc made; `fixed`, buffers of `length` positions as the exporter wrote them; `paged`, blocks that all rows
   * share; `inside` a loop that generates.
   */
  readonly form: "none" | "concat" | "shared" | "fixed" | "paged" | "inside";
  /** Positions of a buffer; null where it grows. */
  readonly length: number | null;
  /** Names of inputs and of the outputs that are their next values; null for one that is paired with none. */
  readonly slots: readonly { readonly past: string; readonly present: string | null }[];
}

/** What a graph takes and gives and what is in it, as plain data: what bindings and build steps are made of. */
export interface GraphDescription {
  readonly version: 1;
  readonly inputs: readonly DescribedInput[];
  readonly outputs: readonly DescribedPort[];
  /** Names of symbolic dimensions of inputs and outputs, without those that are computed (`past + sequence`). */
  readonly symbols: readonly string[];
  readonly layers: readonly DescribedLayer[];
  /** Adapters beside modules and projections. */
  readonly adapters: readonly DescribedAdapter[];
  /** Token-parameter attention in place of projections. */
  readonly replaced: readonly DescribedAdapter[];
  /** Where the adapters' weights are: `baked`, `inputs`, `optional-inputs` or `bank`; null for a graph without adapters. */
  readonly residence: string | null;
  /** Names of a bank's members by their ids; the ids where the graph names none. Empty for a graph without a bank. */
  readonly members: readonly string[];
  /** Element type that modules compute in, or logits have; null where neither is known. */
  readonly dtype: DType | null;
  readonly cache: DescribedCache;
  /** Null of a graph that does not generate by itself. */
  readonly decodeLoop: DecodeLoop | null;
  /** Null of a graph that is no training step. */
  readonly training: Training | null;
  /** What the model says of itself, by key. */
  readonly metadata: Readonly<Record<string, string>>;
}
