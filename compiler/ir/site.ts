import type { Node } from "./node.ts";
import type { Rewriter } from "./rewriter.ts";
import { isDType, type DType } from "./dtype.ts";
import type { Value } from "./value.ts";

/** The blocks that adapters can stand beside. */
export const siteKinds = ["attn", "mlp"] as const;
export type SiteKind = (typeof siteKinds)[number];

/** The domain of the functions that tfc makes. */
export const TFC_DOMAIN = "tfc";

/** What a site's call is marked with. */
export interface SiteMark {
  readonly site: SiteKind;
  readonly layer: number;
  readonly hiddenSize: number;
  /** Element type that the block computes in; null when it is not known. */
  readonly dtype: DType | null;
  /** Element type of the output; null when it is not known. */
  readonly outputDtype: DType | null;
  /** Whether the input may have another element type, which the block casts. */
  readonly castsInput: boolean;
}

/**
 * An outlined block: a call whose first input is the block's input `[…, hiddenSize]` and whose first output is the
 * block's output of the same shape.
 */
export interface Site extends SiteMark {
  readonly kind: "site";
  readonly node: Node;
  /** `model.layers.0.mlp` */
  readonly name: string;
  readonly input: Value;
  readonly output: Value;
}

const keys = {
  site: "tfc.site",
  layer: "tfc.layer",
  hiddenSize: "tfc.hidden_size",
  dtype: "tfc.dtype",
  outputDtype: "tfc.output_dtype",
  cast: "tfc.cast_input",
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
}

/** The site a node is marked as, or null. */
export function siteOf(node: Node): Site | null {
  if (node.domain !== TFC_DOMAIN) return null;
  const site = siteKinds.find((k) => k === node.meta.get(keys.site));
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
    input,
    output,
  };
}
