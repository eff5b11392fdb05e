import type { Node } from "../ir/node.ts";
import { anchorAt } from "./attention/anchor.ts";
import type { Block } from "./decoder.ts";
import { projectionsOf } from "./linear/projections.ts";
import { isMiss } from "./miss.ts";
import { expertProductsOf } from "./moe/expert-products.ts";

/** A node with what it is for: the names of projections are Hugging Face's; of a packed product all that it holds. */
export type NodeRole = readonly [node: Node, names: readonly string[]];

/** What the products of a block are for. */
export function rolesIn(block: Block, prefix = ""): readonly NodeRole[] {
  const own = projectionsOf(block).map(({ linear, parts }): NodeRole => [
    linear.node,
    parts.map(({ site }) => `${prefix}${site}`),
  ]);
  if (block.kind === "mlp") return own;
  if (block.kind === "attention") {
    const { latent, region } = block;
    // Nothing stands beside what is projected up from a cache: as a site it has no name.
    const up: readonly NodeRole[] = latent?.isCached === true ? [[latent.up.node, ["kv_b_proj"]]] : [];
    return [...own, ...up, ...attentionRoles(region.nodes)];
  }
  const { router, separate, shared } = block;
  return [
    [router.linear.node, ["router"]],
    ...separate.flatMap((mlp) => rolesIn(mlp, "experts.")),
    ...expertProductsOf(block).map(([node, role]): NodeRole => [node, [role]]),
    ...shared.flatMap(({ mlp, gate }) => [
      ...(gate === null ? [] : [[gate.node, ["shared_expert_gate"]] as const]),
      ...rolesIn(mlp, "shared_expert."),
    ]),
  ];
}

/** The products of attention itself, of some nodes that are attention: of an op that does both, the op. */
export function attentionRoles(nodes: Iterable<Node>): readonly NodeRole[] {
  return [...nodes].flatMap((node): readonly NodeRole[] => {
    const anchor = anchorAt(node);
    if (anchor === null || isMiss(anchor)) return [];
    const { op, scores, context } = anchor;
    if (op !== null) return [[node, ["attention"]]];
    const product = context.producer;
    return [
      ...(scores === null ? [] : [[scores, ["scores"]] as const]),
      ...(product === null ? [] : [[product, ["context"]] as const]),
    ];
  });
}
