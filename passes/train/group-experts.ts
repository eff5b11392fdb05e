import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewChain } from "../../compiler/recognize/flow.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../compiler/recognize/known-shapes.ts";
import { Elements } from "../../compiler/recognize/symbolic/elements.ts";
import type { Shapes } from "../../compiler/recognize/symbolic/shapes.ts";
import { ExpertGroups, type RowProduct } from "./_expert-groups.ts";

/** The opset since which Split, Squeeze and ReduceSum take as operands what they go by. */
const AXES_AS_OPERANDS = 13;

/**
 * Multiplies the rows of each expert with its weights at once, where a graph takes a copy of an expert's weights for each
 * row: a mixture of experts as it is traced for a few tokens. Of a whole batch those copies are larger than the model.
 *
 * Before: `w = GatherND (stack, chosen)`, `y = MatMul (w, x)`, chosen `[N, 1]` by a router, x `[N, in, 1]`, stack
 * `[experts, out, in]`; or `y = MatMul (x, w)`, x `[N, 1, in]`, stack `[experts, in, out]`.
 * After: the rows in the order of their experts, a `Split` of them, one product for each expert, and their results in the
 * rows' own order. Products of rows that are chosen alike share the order.
 *
 * Leaves alone what no TopK chooses, stacks of unknown length, and opsets before 13.
 */
export const groupExperts: Pass<object, NodeVisitor> = {
  name: "group-experts",
  summary: "multiply the rows of each expert with its weights at once",
  options: {},
  stats: ["products"],
  requires: [],
  walk: nodesIn("main"),
  visitor: ({ model, rewriter, analysis, count }) => {
    const { shapes } = new Elements(knownShapes(analysis(viewDecoder)));
    const isWritable = (model.opsets.get("") ?? 0) >= AXES_AS_OPERANDS;
    const found: (readonly [Node, RowProduct])[] = [];
    return {
      ops: {
        MatMul: (node) => {
          const product = isWritable ? rowProductOf(node, shapes) : null;
          if (product !== null) found.push([node, product]);
        },
      },
      model: {
        exit: () => {
          const groups = new ExpertGroups(rewriter);
          for (const [node, product] of found) {
            const reads = [...node.inputs];
            replaceBy(rewriter, node, [groups.write(node, product)]);
            dropIfUnread(rewriter, reads);
          }
          if (found.length > 0) count("products", found.length);
        },
      },
    };
  },
};

/** What a product is, where each row has the weights of an expert; null for any other. */
function rowProductOf(node: Node, shapes: Shapes): RowProduct | null {
  for (const side of ["left", "right"] as const) {
    const [taken, rows] = side === "left" ? [node.input(0), node.input(1)] : [node.input(1), node.input(0)];
    const weights = takenBy(taken?.producer ?? null, shapes);
    if (taken === null || rows === null || weights === null) continue;
    const [copies, sizes] = [shapes.of(taken), shapes.of(rows)];
    const single = sizes?.[side === "left" ? 2 : 1];
    const [many, own] = [copies?.[0], sizes?.[0]];
    if (sizes?.length !== 3 || single?.constant !== 1 || many === undefined || own === undefined) continue;
    // A row for all would be repeated.
    if (many.equals(own)) return { ...weights, side, rows };
  }
  return null;
}

/** The stack that a node takes a matrix of for each row, and the rows' experts. */
function takenBy(node: Node | null, shapes: Shapes): Pick<RowProduct, "stack" | "experts" | "chosen"> | null {
  const [stack, chosen] = [node?.input(0) ?? null, node?.input(1) ?? null];
  if (node === null || stack === null || chosen === null || !isChosen(chosen)) return null;
  const [sizes, places] = [shapes.of(stack), shapes.of(chosen)];
  const experts = sizes?.length === 3 ? (sizes[0]?.constant ?? null) : null;
  const isRow =
    node.op === "GatherND"
      ? (node.int("batch_dims") ?? 0) === 0 && places?.length === 2 && places[1]?.constant === 1
      : node.op === "Gather" && (node.int("axis") ?? 0) === 0 && places?.length === 1;
  return experts === null || experts < 2 || !isRow ? null : { stack, experts, chosen };
}

/** Whether numbers are those that a TopK chooses, which count from the front. */
function isChosen(places: Value): boolean {
  const source = viewChain(places).at(-1);
  return source?.producer?.op === "TopK" && source.index === 1;
}
