import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { replaceByGraph } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { opOf, ops } from "../../compiler/ops/table.ts";
import { GROUP_QUERY_FUNCTION, GROUP_QUERY_OP } from "../lower/attention/_grouped-query.ts";

/**
 * Makes attention that tfc wrote for caches in buffers of a fixed length the op that is in it: whole sequences are the
 * case that it takes.
 *
 * Before: `out, keys, values = tfc.GroupQueryAttention (…)`, which is `If (fits) <then: the op, else: plain ops>`.
 * After: `out, keys, values = com.microsoft.GroupQueryAttention (…)`.
 */
export function takeOpOfShared(model: Model, rw: Rewriter): void {
  const shared = ops.get(GROUP_QUERY_FUNCTION);
  for (const call of nodesDeep(model.graph)) {
    if (opOf(call) !== shared) continue;
    const func = model.callee(call);
    const taken = func === undefined ? null : branchOfOp(func.body);
    if (func === undefined || taken === null) continue;
    const operands = new Map(func.body.inputs.map((formal, i) => [formal, call.input(i)] as const));
    replaceByGraph(rw, call, taken, operands, {
      loc: call.loc,
      copied: (copy: Node) => {
        rw.setName(copy, call.name);
      },
    });
    rw.setOpset(model, "com.microsoft", 1);
  }
}

/** The branch that is the op alone. */
function branchOfOp({ nodes }: Graph): Graph | null {
  const branches = [...nodes].flatMap(({ subgraphs }) => subgraphs);
  return branches.find((graph) => [...graph.nodes].every(({ op }) => op === GROUP_QUERY_OP)) ?? null;
}
