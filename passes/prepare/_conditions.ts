import { madeBy } from "../../compiler/ir/entity.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, replaceByGraph } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { nodesDeep, readsOf } from "../../compiler/ir/walk.ts";
import { copyName } from "../_module.ts";
import { Scalars } from "./_scalars.ts";

/** Replaces an If by the branch that is always taken, if that is known. @returns whether it is */
export function foldCondition(rw: Rewriter, node: Node, scalars: Scalars): boolean {
  const condition = scalars.of(node.input(0));
  if (condition === null) return false;
  const attr = node.attributes.get(condition === 0 ? "else_branch" : "then_branch");
  if (attr?.kind !== "graph" || attr.value.initializers.size > 0) return false;
  takeBranch(rw, node, attr.value);
  return true;
}

/** Does so for every If of a graph and of the graphs inside it. */
export function foldConditions(graph: Graph, rw: Rewriter): void {
  const scalars = new Scalars();
  for (const node of nodesDeep(graph)) if (node.op === "If") foldCondition(rw, node, scalars);
}

function takeBranch(rw: Rewriter, node: Node, branch: Graph): void {
  const reads = readsOf(node);
  replaceByGraph(rw, node, branch, new Map(), {
    loc: madeBy(rw.pass ?? "", [node.loc]),
    copied: (copy, inner, index) => {
      rw.setName(copy, copyName(node.name, inner.name, index, branch.size));
    },
  });
  // The condition, and what only the other branch read.
  dropIfUnread(rw, reads);
}
