import type { Attention } from "../recognize/attention/attention.ts";
import type { Mlp } from "../recognize/mlp/mlp.ts";
import { moeText } from "../recognize/moe/describe.ts";
import type { Moe } from "../recognize/moe/moe.ts";
import type { Site } from "../sites/site.ts";

/** What a block is, in a few words: `4 heads, 2 kv heads of 32, rotary, cache`. */
export function blockText(block: Attention | Mlp | Moe | Site): string {
  switch (block.kind) {
    case "site":
      return `tfc.${block.node.opType}`;
    case "moe":
      return moeText(block);
    case "mlp":
      return `${block.activation}${block.gated ? ", gated" : ""}, ${block.intermediateSize} wide`;
    case "attention":
      return attentionText(block);
  }
}

function attentionText({ heads, mask, rotary, cache, latent }: Attention): string {
  const parts = [
    heads === null
      ? "head count unknown"
      : heads.heads === heads.kvHeads
        ? `${heads.heads} heads of ${heads.headDim}`
        : `${heads.heads} heads, ${heads.kvHeads} kv heads of ${heads.headDim}`,
    latent === null ? null : "latent",
    mask.window === null ? null : `window of ${mask.window}`,
    rotary === null ? null : "rotary",
    cache === null ? null : "cache",
  ];
  return parts.filter((part) => part !== null).join(", ");
}
