import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { foldCondition } from "./_conditions.ts";
import { Scalars } from "./_scalars.ts";

/**
 * Replaces an If by the branch that is always taken, when that follows from constants and from ranks that the
 * model declares or its ops imply.
 *
 * Early dynamo exports guard every op that treats scalars specially:
 * Before: `c = Equal (Size (Shape (x)), 0)`, `y = If (c) <then: Unsqueeze (x), else: Identity (x)>`.
 * After: `y = Identity (x)`, for an x of known rank 1 or more.
 *
 * Leaves alone: conditions that depend on anything else (a long or short rope chosen by the sequence length), and
 * branches with initializers of their own.
 */
export const foldConditions: Pass<object, NodeVisitor> = {
  name: "fold-conditions",
  summary: "replace an If by the branch that is always taken",
  options: {},
  stats: ["conditions"],
  requires: [],
  walk: nodesIn("main", "subgraphs"),
  visitor: ({ rewriter, count }) => {
    const scalars = new Scalars();
    return {
      ops: {
        If: (node) => {
          if (!foldCondition(rewriter, node, scalars)) return;
          count("conditions");
          return "skip";
        },
      },
    };
  },
};
