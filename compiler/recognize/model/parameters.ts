import { isFloat, type DType } from "../../ir/dtype.ts";
import type { Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import { projectionKinds, type ProjectionKind } from "../../sites/site.ts";
import type { Value } from "../../ir/value.ts";
import { latentNorms } from "../attention/latent.ts";
import type { Block, DecoderView, Layer } from "../decoder.ts";
import { blocksOf } from "../layers.ts";
import { has } from "../../ops/table.ts";
import { embeddingNode } from "./embedding.ts";
import { headOf } from "./head.ts";
import { moduleOfMixture } from "./mixture.ts";
import { expertWeightsOf, STACKS } from "../moe/expert-weights.ts";
import { scoreBiasOf } from "../moe/score-bias.ts";
import type { Linear } from "../linear/linear.ts";
import { normsIn, placeOfNorm } from "../norm/named.ts";
import { isGemma } from "../norm/style.ts";
import { NO_NORM_BIAS, normReading } from "./norm-reading.ts";
import { projectionsOf } from "../linear/projections.ts";
import { weightOf, type Weight } from "../linear/weight.ts";

/** What a parameter belongs to: a layer, the token embeddings, or the head with the norm in front of it. */
export type ParameterOwner = Layer | "embedding" | "head";

/** Where a node reads a parameter of the base. */
export interface ParameterPlace extends Reading {
  readonly owner: ParameterOwner;
}

/** A reading of a parameter, whatever it belongs to. */
export interface Reading {
  readonly reader: Node;
  /** Which of its inputs. */
  readonly index: number;
  /** The parameter as Hugging Face has it: `[out, in]` of a projection, `[features]` of a norm. */
  readonly shape: readonly number[];
  /** Element type at the reader. */
  readonly dtype: DType;
  /** The tensor that is read there now: as it is stored, and whether the reader has it transposed. */
  readonly weight: Weight;
  /** Whether the reader has what Hugging Face has transposed: `[in, out]`. */
  readonly isInFirst: boolean;
  /** Added to what Hugging Face has: the 1 of Gemma's norms, where the exporter has added it to the weight. */
  readonly offset?: number;
  /** Features of a packed projection, of how many; null for one by itself. */
  readonly packed: { readonly start: number; readonly width: number; readonly of: number } | null;
}

const NO_PARAMETER = "the graph has none";
const NO_HEAD = "its head is not found";
const NO_BIAS = "the graph has no bias there";

/** What {@link Parameters.find} says of names that the graph has nothing for, whereas other parameters only cannot be replaced. */
export const absences: ReadonlySet<string> = new Set([NO_PARAMETER, NO_BIAS, NO_NORM_BIAS, NO_HEAD]);

/** Finds the places of parameters by their names in Hugging Face's Llama. */
export class Parameters {
  readonly #model: Model;
  readonly #view: DecoderView;
  /** The first entry of each layer: a merged decoder has two. */
  readonly #layers = new Map<number, Layer[]>();
  readonly #norms: ReadonlySet<string>;
  /** Undefined before it is looked for. */
  #isGemma: boolean | undefined;

  /** @param names of all parameters that are looked for: what norms are called differs from family to family */
  constructor(model: Model, view: DecoderView, names: Iterable<string>) {
    this.#model = model;
    this.#view = view;
    for (const layer of view.layers.filter(({ copy }) => copy === 0)) {
      const known = this.#layers.get(layer.index) ?? [];
      this.#layers.set(layer.index, known);
      known.push(layer);
    }
    this.#norms = new Set(
      [...names].map((name) => name.replace(/^model\.layers\.\d+\.|\.(?:weight|bias)$/g, "")),
    );
  }

  /** Every place that reads a parameter: a merged decoder has two. Else, why it cannot be replaced, as a clause. */
  find(name: string): readonly ParameterPlace[] | string {
    const found = this.#find(name);
    const [bad] = found.filter((place) => typeof place === "string");
    if (bad !== undefined) return bad;
    return found.length === 0 ? NO_PARAMETER : found.filter((place) => typeof place !== "string");
  }

  #find(name: string): readonly (ParameterPlace | string)[] {
    if (name === "model.embed_tokens.weight") return owned("embedding", [this.#embedding()]);
    if (name === "lm_head.weight")
      return owned(
        "head",
        this.#head((head) => linearReading(head, null)),
      );
    if (name === "lm_head.bias")
      return owned(
        "head",
        this.#head((head) => biasReading(head, null)),
      );
    const [, leafOfLast] = /^model\.norm\.(weight|bias)$/.exec(name) ?? [];
    if (leafOfLast !== undefined)
      return owned(
        "head",
        this.#head((head) => this.#norm(head.input, leafOfLast === "bias")),
      );
    const [, routed] = /^model\.layers\.(\d+)\.mlp\.gate\.e_score_correction_bias$/.exec(name) ?? [];
    if (routed !== undefined)
      return (this.#layers.get(Number(routed)) ?? []).flatMap((one) => owned(one, [scoreBias(one.mlp)]));
    const [, stacked, stack] = /^model\.layers\.(\d+)\.mlp\.(experts\.\w+_proj)$/.exec(name) ?? [];
    if (stacked !== undefined)
      return (this.#layers.get(Number(stacked)) ?? []).flatMap((one) =>
        owned(one, [stackOf(one.mlp, stack)]),
      );
    const [, layer, module = "", leaf] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
    if (layer === undefined) return [];
    const layers = this.#layers.get(Number(layer)) ?? [];
    const isBias = leaf === "bias";
    return layers.flatMap((one) =>
      owned(one, module.includes("norm") ? this.#normIn(one, module, isBias) : inLayer(one, module, isBias)),
    );
  }

  #normIn(layer: Layer, module: string, isBias: boolean): readonly (Reading | string)[] {
    const ofLatent = latentNorm(layer, module);
    if (ofLatent !== null) return [this.#norm(ofLatent, isBias)];
    const there = normsIn(layer);
    const place = placeOfNorm(module, there, this.#norms);
    if (place === null) return [];
    if (typeof place === "object") return [place.why];
    const normalized = there.get(place);
    return normalized === undefined ? [] : [this.#norm(normalized, isBias)];
  }

  #norm(normalized: Value, isBias: boolean): Reading | string {
    this.#isGemma ??= isGemma(this.#model, this.#view.hiddenSize);
    return normReading(normalized, isBias, this.#isGemma);
  }

  #embedding(): Reading | string {
    const node = embeddingNode(this.#model, this.#view.hiddenSize);
    const weight = node === null ? null : weightOf(node.input(0));
    if (node === null || !weight?.path.every((one) => has(one, "same-numbers")))
      return "its token embeddings are quantized, or not found";
    if (weight.root.constant === undefined) return "its token embeddings are an input of the graph";
    const { shape, dtype } = weight;
    return { reader: node, index: 0, shape, dtype, weight, isInFirst: false, packed: null };
  }

  #head(place: (head: Linear) => Reading | string): readonly (Reading | string)[] {
    const head = headOf(this.#model, this.#view);
    return head === null ? [NO_HEAD] : [place(head)];
  }
}

function owned(
  owner: ParameterOwner,
  readings: readonly (Reading | string)[],
): readonly (ParameterPlace | string)[] {
  return readings.map((reading) => (typeof reading === "string" ? reading : { ...reading, owner }));
}

/** What a norm inside latent attention makes. */
function latentNorm({ attention }: Layer, module: string): Value | null {
  if (attention?.kind !== "attention" || attention.latent === null) return null;
  const { q, kv } = latentNorms(attention.latent, attention.q);
  if (module === "self_attn.q_a_layernorm") return q;
  return module === "self_attn.kv_a_layernorm" ? kv : null;
}

function inLayer(layer: Layer, module: string, isBias: boolean): readonly (Reading | string)[] {
  const inMixture = /^mlp\.((?:gate|router|shared_expert_gate|shared_experts?\..+|experts\.\d+\..+))$/.exec(
    module,
  )?.[1];
  if (inMixture !== undefined) return ofMixture(layer.mlp, inMixture, isBias);
  const site = projectionKinds.find((kind) => module.endsWith(`.${kind}`));
  if (site === undefined) return [`${module} is not a weight that can be replaced`];
  return blocksOf(layer).flatMap((block) => inBlock(block, site, isBias));
}

const notMixed = "the layer has no mixture of experts that was understood";

function ofMixture(mlp: Layer["mlp"], module: string, isBias: boolean): readonly (Reading | string)[] {
  if (mlp?.kind !== "moe") return [notMixed];
  const found = moduleOfMixture(mlp, module);
  if (found.is === "unknown") return [found.why];
  if (found.is === "linear")
    return [isBias ? biasReading(found.linear, null) : linearReading(found.linear, null)];
  const site = projectionKinds.find((kind) => module.endsWith(`.${kind}`));
  return site === undefined ? [] : inBlock(found.mlp, site, isBias);
}

/** The weights of all experts in one tensor. */
function stackOf(mlp: Layer["mlp"], module: string | undefined): Reading | string {
  if (mlp?.kind !== "moe") return notMixed;
  const weights = expertWeightsOf(mlp);
  if (weights?.are !== "stacked") return "the graph shows no weights of all experts in one tensor";
  const { reader, index, root, shape, isInFirst } = module === STACKS.down ? weights.down : weights.gateUp;
  const weight = weightOf(root);
  if (weight === null) return "its weight is not found";
  return { reader, index, shape, dtype: weight.dtype, weight, isInFirst, packed: null };
}

/** What is added to a router's scores before it chooses. */
function scoreBias(mlp: Layer["mlp"]): Reading | string {
  if (mlp?.kind !== "moe") return notMixed;
  const found = scoreBiasOf(mlp.router);
  const weight = found === null ? null : weightOf(found.reader.input(found.index));
  if (found === null || weight === null)
    return "the graph shows no bias that its router adds to the scores before every choice";
  const obstacle = tensorObstacle(weight);
  if (obstacle !== null) return obstacle;
  const { dtype } = weight;
  return { ...found, shape: [mlp.router.linear.outFeatures], dtype, weight, isInFirst: false, packed: null };
}

function inBlock(block: Block, site: ProjectionKind, isBias: boolean): readonly (Reading | string)[] {
  // No place for an adapter, since it runs over the cache's steps, but a weight like any other.
  const ofCache = block.kind === "attention" && block.latent?.isCached === true ? block.latent.up : null;
  if (ofCache !== null && site === "kv_b_proj")
    return [isBias ? biasReading(ofCache, null) : linearReading(ofCache, null)];
  for (const { linear, parts } of projectionsOf(block)) {
    const at = parts.findIndex((part) => part.site === site);
    const part = parts[at];
    if (part === undefined) continue;
    const start = parts.slice(0, at).reduce((n, { width }) => n + width, 0);
    const packed = parts.length === 1 ? null : { start, width: part.width, of: linear.outFeatures };
    return [isBias ? biasReading(linear, packed) : linearReading(linear, packed)];
  }
  return [];
}

function linearReading(linear: Linear, packed: Reading["packed"]): Reading | string {
  const { node, inFeatures, outFeatures } = linear;
  const weight = weightOf(node.input(1));
  const obstacle = weightObstacle(node, weight);
  if (weight === null || obstacle !== null) return obstacle ?? "its weight is not found";
  const rows = packed?.width ?? outFeatures;
  const isInFirst = node.int("transB") !== 1;
  return {
    reader: node,
    index: 1,
    shape: [rows, inFeatures],
    dtype: weight.dtype,
    weight,
    isInFirst,
    packed,
  };
}

function weightObstacle(node: Node, weight: Weight | null): string | null {
  const isPlain = ["MatMul", "Gemm", "com.microsoft::FusedMatMul"].includes(node.op);
  if (!isPlain || weight === null || !isFloat(weight.dtype)) return `its weight is quantized (${node.op})`;
  return tensorObstacle(weight);
}

/** What stands between a reader and a tensor that could be put in its place. */
function tensorObstacle(weight: Weight): string | null {
  const between = weight.path.find((one) => !has(one, "same-numbers"));
  if (between?.op === "DequantizeLinear") return "its weight is quantized (DequantizeLinear)";
  if (between !== undefined) return `the graph computes on it (${between.op})`;
  return weight.root.constant === undefined ? "its weight is an input of the graph" : null;
}

function biasReading(linear: Linear, packed: Reading["packed"]): Reading | string {
  const { bias, nodes } = linear;
  const reader = nodes.find((node) => bias !== null && node.inputs.includes(bias));
  const weight = weightOf(bias);
  if (bias === null || reader === undefined || weight?.shape.length !== 1) return NO_BIAS;
  const shape = [packed?.width ?? linear.outFeatures];
  const { dtype } = weight;
  return { reader, index: reader.inputs.indexOf(bias), shape, dtype, weight, isInFirst: false, packed };
}
