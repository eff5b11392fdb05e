import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { DecoderView } from "../recognize/decoder.ts";
import { headOf } from "../recognize/model/head.ts";
import { isMiss } from "../recognize/miss.ts";
import { attentionRoles, rolesIn, type NodeRole } from "../recognize/roles.ts";
import { linearsOf, rolesMarkedIn, type Site } from "../sites/site.ts";
import type { Box } from "./boxes.ts";

/** What nodes are for, as Hugging Face calls it: `q_proj`, `experts.down_proj`; of a packed product all that it holds. */
export type Roles = ReadonlyMap<Node, readonly string[]>;

/** The products of all blocks that are understood, those of outlined ones included, and what stands around the layers. */
export function rolesOf(model: Model, view: DecoderView, boxes: readonly Box[]): Roles {
  const roles = new Map<Node, readonly string[]>();
  for (const { answer } of view.seen) {
    if (isMiss(answer)) continue;
    for (const [node, names] of answer.kind === "site" ? rolesInCall(model, answer) : rolesIn(answer))
      roles.set(node, names);
  }
  for (const { kind, nodes } of boxes) {
    const [embedding] = nodes;
    if (kind === "embedding" && embedding !== undefined) roles.set(embedding, ["embed_tokens"]);
    const head = kind === "head" ? headOf(model, view) : null;
    if (head !== null) roles.set(head.node, ["lm_head"]);
  }
  for (const func of model.functions.values()) {
    for (const [node, names] of rolesMarkedIn(func)) roles.set(node, names);
    for (const { reader, parts } of linearsOf(func))
      roles.set(
        reader,
        parts.map(({ site }) => site),
      );
  }
  return roles;
}

/** Of attention that was outlined: projections are marked in the body of its function. */
function rolesInCall(model: Model, { site, node }: Site): readonly NodeRole[] {
  const func = model.callee(node);
  return func === undefined || site !== "attn" ? [] : attentionRoles(func.body.nodes);
}
