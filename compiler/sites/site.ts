import type { Func } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import { isDType, type DType } from "../ir/dtype.ts";
import type { Value } from "../ir/value.ts";

/** The blocks that adapters can stand beside. */
export const blockKinds = ["attn", "mlp"] as const;
/** A block that adapters can stand beside. */
export type BlockKind = (typeof blockKinds)[number];

/** The projections inside the blocks that adapters can stand beside, by the names that Hugging Face gives them. */
export const projectionKinds = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  // of latent attention
  "q_a_proj",
  "q_b_proj",
  "kv_a_proj_with_mqa",
  "kv_b_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
] as const;
export type ProjectionKind = (typeof projectionKinds)[number];

/**
 * Steps around a layer's MLP that adapters can stand beside, too: the norm in front of it, its output on the way to the
 * residual stream, and the norm of that output. Of these what is trained says that it stands there, never a default.
 */
export const stepKinds = ["pre_mlp_norm", "mlp_output", "post_mlp_norm"] as const;
export type StepKind = (typeof stepKinds)[number];

/** Every place that adapters can stand beside. */
export const siteKinds = [...blockKinds, ...projectionKinds, ...stepKinds] as const;

/**
 * Modules of some families that hold several projections: Phi-3's and GLM4's. Adapters of theirs go to each projection,
 * in the order of the module's rows.
 */
export const packedKinds = {
  qkv_proj: ["q_proj", "k_proj", "v_proj"],
  gate_up_proj: ["gate_proj", "up_proj"],
} as const satisfies Readonly<Record<string, readonly ProjectionKind[]>>;
export type PackedKind = keyof typeof packedKinds;

/** Modules outside the layers that a file may have LoRA of. */
export const modelKinds = ["embed_tokens", "lm_head"] as const;
export type ModelKind = (typeof modelKinds)[number];

/** The layer of what is in none. */
export const OUTSIDE = -1;

/** Whatever an adapter's file may name. */
export type SiteKind = (typeof siteKinds)[number] | PackedKind | ModelKind;

/** One place in a decoder. `copy` is 0, or which further block of its kind the layer has. */
export interface SiteRef {
  /** Counted from 0; {@link OUTSIDE} of what is in none. */
  readonly layer: number;
  readonly copy: number;
  readonly site: SiteKind;
}

/** The domain of the functions that tfc makes. */
export const TFC_DOMAIN = "tfc";

/** What a site's call is marked with. */
export interface SiteMark {
  readonly site: BlockKind;
  readonly layer: number;
  readonly hiddenSize: number;
  /** Element type that the block computes in; null when it is not known. */
  readonly dtype: DType | null;
  /** Element type of the output; null when it is not known. */
  readonly outputDtype: DType | null;
  /** Whether the input may have another element type, which the block casts. */
  readonly castsInput: boolean;
  /** Whether the output has its rows and steps in another number of axes than the input. */
  readonly reshapes: boolean;
}

/**
 * An outlined block: a call whose first input is the block's input `[…, hiddenSize]` and whose first output is the
 * block's output of the same shape, or of one that has as many rows.
 */
export interface Site extends SiteMark {
  readonly kind: "site";
  readonly node: Node;
  /** `model.layers.0.mlp` */
  readonly name: string;
  readonly input: Value;
  readonly output: Value;
}

/** One projection of a linear: all of its features, or those that are packed into it beside others. */
export interface Part {
  readonly site: ProjectionKind;
  /** Features. */
  readonly width: number;
}

/** What a linear inside an outlined block is marked with. */
export interface LinearMark {
  readonly inFeatures: number;
  /** In the order of the features. */
  readonly parts: readonly Part[];
  /** Element type that it computes in; null when it is not known. */
  readonly dtype: DType | null;
  /** Whether its input has rows and steps in one axis, which the block's input has in two. */
  readonly isFlat: boolean;
  /** Whether the graph adds LoRA to it already. */
  readonly hasLora: boolean;
}

/** A linear inside a function that was outlined: from `[…, inFeatures]` to `[…, sum of the parts' widths]`. */
export interface InnerLinear extends LinearMark {
  /** The node whose first input is the linear's: read there, an input that was adapted since is seen. */
  readonly reader: Node;
  readonly output: Value;
}

const keys = {
  linear: "tfc.linear",
  linearInput: "tfc.linear_input",
  role: "tfc.role",
  site: "tfc.site",
  layer: "tfc.layer",
  hiddenSize: "tfc.hidden_size",
  dtype: "tfc.dtype",
  outputDtype: "tfc.output_dtype",
  cast: "tfc.cast_input",
  reshape: "tfc.reshape",
} as const;

/** Marks a call as a site. The marks are metadata, so that they survive a file. */
export function markSite(rw: Rewriter, node: Node, site: SiteMark): void {
  rw.setMeta(node, keys.site, site.site);
  rw.setMeta(node, keys.layer, String(site.layer));
  rw.setMeta(node, keys.hiddenSize, String(site.hiddenSize));
  if (site.dtype !== null) rw.setMeta(node, keys.dtype, site.dtype);
  if (site.outputDtype !== null && site.outputDtype !== site.dtype)
    rw.setMeta(node, keys.outputDtype, site.outputDtype);
  if (site.castsInput) rw.setMeta(node, keys.cast, "1");
  if (site.reshapes) rw.setMeta(node, keys.reshape, "1");
}

/** The site a node is marked as, or null. */
export function siteOf(node: Node): Site | null {
  if (node.domain !== TFC_DOMAIN) return null;
  const site = blockKinds.find((k) => k === node.meta.get(keys.site));
  const [input, output] = [node.input(0), node.output(0)];
  if (site === undefined || input === null || output === null) return null;
  const dtypeUnder = (key: string): DType | null => {
    const name = node.meta.get(key) ?? "";
    return isDType(name) ? name : null;
  };
  return {
    kind: "site",
    node,
    site,
    layer: Number(node.meta.get(keys.layer)),
    name: node.name ?? "",
    hiddenSize: Number(node.meta.get(keys.hiddenSize)),
    dtype: dtypeUnder(keys.dtype),
    outputDtype: dtypeUnder(keys.outputDtype) ?? dtypeUnder(keys.dtype),
    castsInput: node.meta.has(keys.cast),
    reshapes: node.meta.has(keys.reshape),
    input,
    output,
  };
}

/**
 * The marks of a linear in a function's body, as metadata of two nodes (mostly one): the one whose first input is the
 * linear's, and the one whose first output is. For the values that nodes have in the model that is outlined.
 */
export function linearMarks(
  mark: LinearMark,
  reader: Node,
  maker: Node,
): ReadonlyMap<Node, ReadonlyMap<string, string>> {
  const parts = mark.parts.map(({ site, width }) => `${site} ${width}`).join(", ");
  const head = `${mark.dtype ?? "?"} ${mark.inFeatures}${mark.isFlat ? " flat" : ""}${mark.hasLora ? " lora" : ""}`;
  const made = new Map<string, string>([[keys.linear, `${head} -> ${parts}`]]);
  if (reader === maker) return new Map([[maker, made]]);
  const names = mark.parts.map(({ site }) => site).join(" ");
  return new Map([
    [reader, new Map<string, string>([[keys.linearInput, names]])],
    [maker, made],
  ]);
}

/** Marks a node in a function's body as a linear of its own input. */
export function markLinear(rw: Rewriter, node: Node, mark: LinearMark): void {
  for (const [, texts] of linearMarks(mark, node, node)) {
    for (const [key, text] of texts) rw.setMeta(node, key, text);
  }
}

/** The linears that are marked in a function's body, by the projections they hold. */
export function linearsOf(func: Func): readonly InnerLinear[] {
  const readers = new Map<string, Node>();
  for (const node of func.body.nodes) {
    for (const name of (node.meta.get(keys.linearInput) ?? "").split(" ")) readers.set(name, node);
  }
  return [...func.body.nodes].flatMap((node) => {
    const mark = parseLinear(node.meta.get(keys.linear));
    if (mark === null) return [];
    const reader = readers.get(mark.parts[0]?.site ?? "") ?? node;
    const output = node.output(0);
    return reader.input(0) === null || output === null ? [] : [{ ...mark, reader, output }];
  });
}

/** The mark of a node in a function's body that nothing stands beside: what it is for, by names without spaces. */
export function roleMark(names: readonly string[]): readonly [key: string, text: string] {
  return [keys.role, names.join(" ")];
}

/** The nodes of a function's body that are marked with what they are for. */
export function rolesMarkedIn(func: Func): readonly (readonly [node: Node, names: readonly string[]])[] {
  return [...func.body.nodes].flatMap((node) => {
    const text = node.meta.get(keys.role) ?? "";
    return text === "" ? [] : [[node, text.split(" ")] as const];
  });
}

/** Null for text that no mark is. */
function parseLinear(text: string | undefined): LinearMark | null {
  const [, dtype = "", width, flat, lora, list = ""] =
    /^(\S+) (\d+)( flat)?( lora)? -> (.+)$/.exec(text ?? "") ?? [];
  if (width === undefined) return null;
  const parts = list.split(", ").flatMap((part) => {
    const [name, features] = part.split(" ");
    const site = projectionKinds.find((kind) => kind === name);
    return site === undefined || !/^\d+$/.test(features ?? "") ? [] : [{ site, width: Number(features) }];
  });
  return {
    inFeatures: Number(width),
    parts,
    dtype: isDType(dtype) ? dtype : null,
    isFlat: flat !== undefined,
    hasLora: lora !== undefined,
  };
}
