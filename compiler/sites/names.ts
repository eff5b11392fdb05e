import {
  modelKinds,
  OUTSIDE,
  packedKinds,
  type ModelKind,
  projectionKinds,
  type PackedKind,
  type ProjectionKind,
  type SiteKind,
  type SiteRef,
} from "./site.ts";

/** The module of each site in Hugging Face's Llama, below its layer. */
const modules: Readonly<Record<SiteKind, string>> = {
  embed_tokens: "embed_tokens",
  lm_head: "lm_head",
  attn: "self_attn",
  mlp: "mlp",
  q_proj: "self_attn.q_proj",
  k_proj: "self_attn.k_proj",
  v_proj: "self_attn.v_proj",
  o_proj: "self_attn.o_proj",
  q_a_proj: "self_attn.q_a_proj",
  q_b_proj: "self_attn.q_b_proj",
  kv_a_proj_with_mqa: "self_attn.kv_a_proj_with_mqa",
  kv_b_proj: "self_attn.kv_b_proj",
  qkv_proj: "self_attn.qkv_proj",
  gate_up_proj: "mlp.gate_up_proj",
  gate_proj: "mlp.gate_proj",
  up_proj: "mlp.up_proj",
  down_proj: "mlp.down_proj",
  pre_mlp_norm: "pre_mlp_layernorm",
  mlp_output: "resid_mlp_dropout",
  post_mlp_norm: "post_mlp_layernorm",
};

/**
 * Other names of the same modules: those of the public TokenFormer code, of onnxruntime-genai, and of other families.
 * Dropout, which computes nothing at inference, is what an MLP's output is called where it is a module.
 */
const otherModules: Readonly<Record<string, SiteKind>> = {
  attention: "attn",
  "attention.query": "q_proj",
  "attention.key": "k_proj",
  "attention.value": "v_proj",
  "attention.proj": "o_proj",
  "attn.q_proj": "q_proj",
  "attn.k_proj": "k_proj",
  "attn.v_proj": "v_proj",
  "attn.o_proj": "o_proj",
  "attn.qkv_proj": "qkv_proj",
  // Phi's, Falcon-H1's and LFM2's.
  "self_attn.dense": "o_proj",
  "self_attn.out_proj": "o_proj",
  "mlp.fc1": "up_proj",
  "mlp.fc2": "down_proj",
  feed_forward: "mlp",
  "feed_forward.gate_proj": "gate_proj",
  "feed_forward.up_proj": "up_proj",
  "feed_forward.down_proj": "down_proj",
  "feed_forward.w1": "gate_proj",
  "feed_forward.w3": "up_proj",
  "feed_forward.w2": "down_proj",
  shared_mlp: "mlp",
  mlp_norm: "pre_mlp_norm",
  pre_mlp_norm: "pre_mlp_norm",
  mlp_layer_norm: "pre_mlp_norm",
  pre_mlp_layer_norm: "pre_mlp_norm",
  mlp_dropout: "mlp_output",
  post_mlp_dropout: "mlp_output",
  post_mlp_norm: "post_mlp_norm",
  post_mlp_layer_norm: "post_mlp_norm",
};

const sites: ReadonlyMap<string, SiteKind> = new Map([
  ...Object.entries(modules).map(([site, module]) => [module, site as SiteKind] as const),
  ...Object.entries(otherModules),
]);

/**
 * What the model may lie in: PEFT's (`base_model.model.`), ScalarLM's and PyTorch's own wrappers, and the first part
 * of a model's own names (TokenFormer's is `transformer.`). Other names before the layers belong to other parts of a
 * model, such as a vision tower.
 */
export const wrappers: ReadonlySet<string> = new Set([
  "base_model",
  "model",
  "module",
  "_orig_mod",
  "_fsdp_wrapped_module",
  "language_model",
  "transformer",
]);

/** Whether a layer list is one that names in files may lead to: `model.layers`, and not `vision_tower.layers`. */
export function isReadable(layers: string): boolean {
  const before = layers.split(".");
  const list = before.pop() ?? "";
  return /^(?:layers|blocks|h)$/.test(list) && before.every((name) => wrappers.has(name));
}

/** Whether a site lies inside a block. */
export function isProjection(site: SiteKind): site is (typeof projectionKinds)[number] {
  return (projectionKinds as readonly string[]).includes(site);
}

/** Whether a site is a module of several projections. */
export function isPacked(site: SiteKind): site is PackedKind {
  return Object.hasOwn(packedKinds, site);
}

/** The projections of a site in a block: those of a packed module, or itself. */
export function projectionsIn(site: SiteKind): readonly ProjectionKind[] {
  if (isPacked(site)) return packedKinds[site];
  return isProjection(site) ? [site] : [];
}

/** `self_attn.q_proj`; of a layer's second MLP `mlp_1`. */
export function moduleOf(site: SiteKind, copy = 0): string {
  const [block = "", ...rest] = modules[site].split(".");
  return [copy === 0 ? block : `${block}_${copy}`, ...rest].join(".");
}

/** Whether a site is outside the layers. */
export function isOutside(site: SiteKind): site is ModelKind {
  return (modelKinds as readonly string[]).includes(site);
}

/** The name of a site in files: `model.layers.3.self_attn.q_proj`, `model.embed_tokens`. */
export function siteName({ layer, copy, site }: SiteRef, layers = "model.layers"): string {
  if (site === "lm_head") return site;
  if (isOutside(site)) return layers.replace(/[^.]*$/, modules[site]);
  return `${layers}.${layer}.${moduleOf(site, copy)}`;
}

/** A text that two references to one site share. */
export function siteKey({ layer, copy, site }: SiteRef): string {
  if (isOutside(site)) return site;
  return `${layer}.${moduleOf(site, copy)}`;
}

/**
 * The site that a module path names, whatever stands before the layers: `base_model.model.model.layers.3.mlp`,
 * `model.layers.3.mlp`, `transformer.layers.3.attention.query`. Null for a module that is no site.
 */
export function parseSiteName(path: string): SiteRef | null {
  const [, number, module = ""] = /(?:^|\.)(?:layers|blocks|h)\.(\d+)\.(.+)$/.exec(path) ?? [];
  if (number === undefined) {
    const outside = modelKinds.find((kind) => path === kind || path.endsWith(`.${kind}`));
    return outside === undefined ? null : { layer: OUTSIDE, copy: 0, site: outside };
  }
  const layer = Number(number);
  const [, block = "", copy = "0", rest = ""] =
    /^([a-z_]+?)(?:_(\d+))?((?:\.[a-z_]+\d?)*)$/.exec(module) ?? [];
  const site = sites.get(`${block}${rest}`);
  return site === undefined ? null : { layer, copy: Number(copy), site };
}
