import { derived, MAGNITUDE } from "../../adapters/dora.ts";
import { kindOfLeaf } from "../../adapters/index.ts";
import type { AdapterKind } from "../../adapters/kind.ts";
import type { SiteRef } from "../../sites/site.ts";
import { parseSiteName, wrappers } from "../../sites/names.ts";

/** What a parameter of a checkpoint is, by its name. */
export type Parameter =
  | {
      readonly is: "leaf";
      readonly kind: AdapterKind;
      readonly leaf: string;
      readonly site: SiteRef;
      /** The adapter's name in PEFT, where the parameter's says it. */
      readonly adapter: string | null;
    }
  /** A weight of the base, by the name that Hugging Face's Llama gives it, and how many dimensions it has. */
  | { readonly is: "override"; readonly name: string; readonly dims: number }
  /** PEFT's copy of what a module in modules_to_save was before training: nothing reads it. */
  | { readonly is: "original" }
  /** What tfc has made of leaves and base for a graph: it follows from them. */
  | { readonly is: "derived" }
  /** Something that cannot be applied. `what` is a noun phrase. */
  | { readonly is: "unknown"; readonly what: string };

/**
 * Modules that stand around another one and have its name: PEFT's (`q_proj.base_layer.weight`), ScalarLM's
 * (`mlp.layer.gate_proj.weight`) and those of FSDP.
 */
const shells: ReadonlySet<string> = new Set([
  "base_layer",
  "layer",
  "modules_to_save",
  "_fsdp_wrapped_module",
  "_checkpoint_wrapped_module",
]);

/** Reads a parameter's name, in any of the spellings that checkpoints have. */
export function parseParameter(name: string): Parameter {
  const known = unsupported.find(([pattern]) => pattern.test(name));
  if (known !== undefined) return { is: "unknown", what: known[1] };
  if (name.includes(".original_module.")) return { is: "original" };
  if (ofDora.has(name.slice(name.lastIndexOf(".") + 1))) return { is: "derived" };
  const path = unwrap(name);
  return leafOf(path) ?? overrideOf(path) ?? { is: "unknown", what: describe(path) };
}

const ofDora: ReadonlySet<string> = new Set(Object.values(derived));

/** The site that a module's name means, in any of the spellings that checkpoints have; null for other modules. */
export function siteOfModule(name: string): SiteRef | null {
  return siteAt(unwrap(name).join("."));
}

/** A name without what stands around the model and its modules. */
function unwrap(name: string): readonly string[] {
  const all = name.split(".");
  const first = all.findIndex((segment) => !wrappers.has(segment));
  return withoutShells(staged(all.slice(first === -1 ? all.length : first)));
}

/** Megatron's pipeline numbers its stages through: the embeddings and a change of axes come before the first layer. */
const BEFORE_LAYERS = 2;

/** What stages of Megatron's pipeline, by which the public TokenFormer code names its weights, are outside the layers. */
const stages: ReadonlyMap<string, readonly string[]> = new Map([
  ["word_embeddings.weight", ["embed_tokens", "weight"]],
  ["norm.weight", ["norm", "weight"]],
  ["final_linear.weight", ["lm_head", "weight"]],
]);

/** `sequential.5.mlp.key_param_tokens` is `layers.3.mlp.key_param_tokens`. */
function staged(path: readonly string[]): readonly string[] {
  const [list, stage = "", ...rest] = path;
  if (list !== "sequential" || !/^\d{1,9}$/.test(stage)) return path;
  const layer = Number(stage) - BEFORE_LAYERS;
  return stages.get(rest.join(".")) ?? (layer < 0 ? path : ["layers", String(layer), ...rest]);
}

/** Names of weights that tfc has no place for, and what they are. */
const unsupported: readonly (readonly [RegExp, string])[] = [
  [/(?:^|\.)(?:original_)?inv_freq$|(?:^|\.)rotary_/, "a rotary table: these are computed, not overridden"],
  [/\.lora_[AB](?:\.[^.]+)?\.bias$/, "the bias of a LoRA matrix (lora_bias)"],
  [/\.lora_diag\b/, "the diagonal of KaSA"],
  [/\.lora_velora_/, "the state of VeLoRA"],
  [/\.lora_E\b|\.ranknum\b/, "the singular values of AdaLoRA"],
  [/\.hada_w/, "a matrix of LoHa"],
  [/\.lokr_w/, "a matrix of LoKr"],
  [/\.ia3_l\b/, "a vector of IA³"],
  [/\.(?:b?oft_|hoft_)/, "a rotation of OFT"],
  [/\.vera_lambda_|^base_model\.vera_/, "a vector of VeRA"],
  [/\btrainable_tokens_|\.token_adapter\./, "trained rows of an embedding (trainable_token_indices)"],
  [/^prompt_embeddings$|\bprompt_encoder\b/, "a trained prompt"],
  [/\.(?:qweight|qzeros|scales|g_idx|quant_state|absmax)\b|\.SCB$/, "a part of a quantized weight"],
];

/** Leaves out shells, and with modules_to_save the adapter's name that stands behind it in memory. */
function withoutShells(path: readonly string[]): readonly string[] {
  return path.filter((segment, i) => {
    if (i === 0 || shells.has(segment)) return !shells.has(segment);
    return path[i - 1] !== "modules_to_save" || i === path.length - 1;
  });
}

function leafOf(path: readonly string[]): Parameter | null {
  const { named, adapter } = withoutAdapter(path);
  // Names of leaves have at most two parts: lora_A.weight.
  for (const parts of [2, 1]) {
    const leaf = named.slice(-parts).join(".");
    const kind = kindOfLeaf(leaf);
    if (kind === null) continue;
    const module = named.slice(0, -parts).join(".");
    const site = siteAt(module);
    if (site !== null) return { is: "leaf", kind, leaf, site, adapter };
    const why = ofExpert.test(`${module}.`)
      ? "which is of single experts: adapters stand beside a whole mixture"
      : "which is no site";
    return { is: "unknown", what: `a leaf of ${kind.name} at ${module || "no module"}, ${why}` };
  }
  return null;
}

/**
 * A leaf's path without the adapter's name. PEFT has `lora_A.default.weight` in memory, and ScalarLM saves it so: the
 * middle is the name. The magnitudes of DoRA are a parameter in older versions and a module in those since 0.12, whose
 * `weight` is left out in files: `lora_magnitude_vector`, with or without `default`, with or without `weight`. Of an
 * embedding the two matrices are parameters, `lora_embedding_A`, and have the shapes that a linear's would have.
 */
function withoutAdapter(path: readonly string[]): {
  readonly named: readonly string[];
  readonly adapter: string | null;
} {
  const at = path.findIndex((segment) => segment === MAGNITUDE || /^lora_(?:embedding_)?[AB]$/.test(segment));
  const [leaf = "", ...rest] = at < 0 ? [] : path.slice(at);
  const [, ofEmbedding] = /^lora_embedding_([AB])$/.exec(leaf) ?? [];
  if (ofEmbedding !== undefined && rest.length <= 1)
    return { named: [...path.slice(0, at), `lora_${ofEmbedding}`, "weight"], adapter: rest[0] ?? null };
  if (leaf === MAGNITUDE && rest.length <= 2) {
    const names = rest.at(-1) === "weight" ? rest.slice(0, -1) : rest;
    if (names.length <= 1) return { named: path.slice(0, at + 1), adapter: names[0] ?? null };
  }
  const [name = "", last] = rest;
  if (leaf === MAGNITUDE || rest.length !== 2 || last !== "weight") return { named: path, adapter: null };
  return { named: [...path.slice(0, at + 1), "weight"], adapter: name };
}

/** The site of a module, whose path begins with the layers. */
function siteAt(module: string): SiteRef | null {
  if (!/^(?:layers|blocks|h)\.|^(?:embed_tokens|lm_head)$/.test(module)) return null;
  const site = parseSiteName(module);
  return site === null || !Number.isSafeInteger(site.layer) ? null : site;
}

/** Weights of a mixture of experts: its router, shared experts with their gate, and experts each by itself. */
const mixtureWeight =
  /^layers\.(\d{1,9})\.(?:mlp|block_sparse_moe)\.((?:gate|router|shared_expert_gate|(?:shared_experts?|experts\.\d{1,9})\.(?:gate|up|down)_proj)\.(?:weight|bias)|experts\.(?:gate_up|down)_proj|gate\.e_score_correction_bias)$/;

/** Parameters in a layer: projections by themselves or packed, and norms, whatever a family calls them. */
const layerWeight =
  /^layers\.(\d{1,9})\.((?:self_attn\.(?:(?:[qkvo]|qkv|q_[ab]|kv_b)_proj|kv_a_proj_with_mqa)|mlp\.(?:gate|up|down|gate_up)_proj|(?:self_attn\.)?\w*norm)\.(?:weight|bias))$/;

/** What other families call the projections of Hugging Face's Llama: Phi, Falcon-H1, LFM2 and Mixtral. */
const aliases: readonly (readonly [RegExp, string])[] = [
  [/\.self_attn\.(?:dense|out_proj)\./, ".self_attn.o_proj."],
  [/\.feed_forward\.w1\./, ".mlp.gate_proj."],
  [/\.feed_forward\.w2\./, ".mlp.down_proj."],
  [/\.feed_forward\.w3\./, ".mlp.up_proj."],
  [/\.feed_forward\./, ".mlp."],
  [/(\.experts\.\d+)\.w1\./, "$1.gate_proj."],
  [/(\.experts\.\d+)\.w2\./, "$1.down_proj."],
  [/(\.experts\.\d+)\.w3\./, "$1.up_proj."],
  [/\.mlp\.fc1\./, ".mlp.up_proj."],
  [/\.mlp\.fc2\./, ".mlp.down_proj."],
];

/** Names outside the layers, as Hugging Face's Llama has them, by their end. */
const modelWeights: ReadonlyMap<string, string> = new Map([
  ["norm.weight", "model.norm.weight"],
  ["norm.bias", "model.norm.bias"],
  ["final_layernorm.weight", "model.norm.weight"],
  ["final_layernorm.bias", "model.norm.bias"],
  ["embed_tokens.weight", "model.embed_tokens.weight"],
  ["lm_head.weight", "lm_head.weight"],
  ["lm_head.bias", "lm_head.bias"],
]);

function overrideOf(path: readonly string[]): Parameter | null {
  const ending = aliases.reduce((text, [pattern, usual]) => text.replace(pattern, usual), path.join("."));
  const [, mixture, inMixture = ""] = mixtureWeight.exec(ending) ?? [];
  if (mixture !== undefined) {
    const name = `model.layers.${Number(mixture)}.mlp.${inMixture}`;
    const isStack = /\.experts\.\w+_proj$/.test(name);
    return { is: "override", name, dims: isStack ? 3 : name.endsWith(".weight") ? 2 : 1 };
  }
  const [, layer, rest = ""] = layerWeight.exec(ending) ?? [];
  const name = layer === undefined ? modelWeights.get(ending) : `model.layers.${Number(layer)}.${rest}`;
  if (name === undefined) return null;
  return {
    is: "override",
    name,
    dims: /(?:_proj|_proj_with_mqa|embed_tokens|lm_head)\.weight$/.test(name) ? 2 : 1,
  };
}

const ofExpert = /^layers\.\d+\.(?:mlp|block_sparse_moe)\.experts\./;

function describe(path: readonly string[]): string {
  const ending = path.join(".");
  if (ofExpert.test(ending)) return "a weight of experts under a name that transformers does not give";
  if (/\blora_[AB]\b/.test(ending)) return "LoRA under a name that PEFT does not give";
  return "neither a leaf of an adapter kind nor a weight of a Llama";
}
