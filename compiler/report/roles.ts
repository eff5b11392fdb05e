import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Block, DecoderView } from "../recognize/decoder.ts";
import { projectionsOf } from "../recognize/linear/projections.ts";
import { isMiss } from "../recognize/miss.ts";
import { linearsOf } from "../sites/site.ts";

/** What nodes multiply by, as Hugging Face calls it: `q_proj`; of a packed product all that it holds. */
export type Roles = ReadonlyMap<Node, readonly string[]>;

/** The projections of all blocks that are understood, those of outlined ones included. */
export function rolesOf(model: Model, view: DecoderView): Roles {
  const roles = new Map<Node, readonly string[]>();
  for (const { answer } of view.seen) {
    if (isMiss(answer) || answer.kind === "site") continue;
    for (const [node, names] of rolesIn(answer)) roles.set(node, names);
  }
  for (const func of model.functions.values())
    for (const { reader, parts } of linearsOf(func))
      roles.set(
        reader,
        parts.map(({ site }) => site),
      );
  return roles;
}

function rolesIn(block: Block, prefix = ""): readonly (readonly [Node, readonly string[]])[] {
  const own = projectionsOf(block).map(
    ({ linear, parts }) => [linear.node, parts.map(({ site }) => `${prefix}${site}`)] as const,
  );
  if (block.kind !== "moe") return own;
  const { router, separate, shared } = block;
  return [
    [router.linear.node, ["router"]],
    ...separate.flatMap((mlp) => rolesIn(mlp, "experts.")),
    ...shared.flatMap(({ mlp, gate }) => [
      ...(gate === null ? [] : [[gate.node, ["shared_expert_gate"]] as const]),
      ...rolesIn(mlp, "shared_expert."),
    ]),
  ];
}
