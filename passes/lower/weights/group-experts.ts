import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { dropIfUnread, replaceBy } from "../../../compiler/ir/rewrite.ts";
import { nodesIn, type NodeVisitor } from "../../../compiler/pass/node-walker.ts";
import { given } from "../../../compiler/pass/options.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../../compiler/recognize/known-shapes.ts";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { divided, ExpertGroups } from "./_expert-groups.ts";
import { rowProductOf, stackProductOf, type RowProduct, type StackProduct } from "./_expert-products.ts";

/** The opset since which Split, Squeeze and ReduceSum take as operands what they go by. */
const AXES_AS_OPERANDS = 13;

export interface GroupOptions {
  /** Whether a product with the weights of all experts becomes one for each: what multiplies quantized weights has one. */
  readonly divides: boolean;
}

/**
 * Multiplies the rows of each expert with its weights at once, where a graph takes a copy of an expert's weights for each
 * row: a mixture of experts as it is traced for a few tokens. Of a whole batch those copies are larger than the model.
 *
 * Before: `w = GatherND (stack, chosen)`, `y = MatMul (w, x)`, chosen `[N, 1]` by a router, x `[N, in, 1]`, stack
 * `[experts, out, in]`; or `y = MatMul (x, w)`, x `[N, 1, in]`, stack `[experts, in, out]`.
 * After: the rows in the order of their experts, a `Split` of them, one product for each expert, and their results in the
 * rows' own order. Products of rows that are chosen alike share the order.
 *
 * A product of all experts' rows with all their weights, `y = MatMul (x, stack)` with x `[experts, rows, in]`, becomes one
 * for each expert where weights are quantized.
 *
 * Leaves alone what no TopK chooses, stacks of unknown length, and opsets before 13.
 */
export const groupExperts: Pass<GroupOptions, NodeVisitor> = {
  name: "group-experts",
  summary: "multiply the rows of each expert with its weights at once",
  options: {
    divides: given<boolean>({
      help: "write products with all experts' weights expert by expert",
      default: false,
    }),
  },
  stats: ["products"],
  requires: [],
  walk: nodesIn("main"),
  visitor: ({ model, options, rewriter, analysis, count }) => {
    const { shapes } = new Elements(knownShapes(analysis(viewDecoder)));
    const isWritable = (model.opsets.get("") ?? 0) >= AXES_AS_OPERANDS;
    const found: (readonly [Node, RowProduct])[] = [];
    const stacked: (readonly [Node, StackProduct])[] = [];
    return {
      ops: {
        MatMul: (node) => {
          if (!isWritable) return;
          const product = rowProductOf(node, shapes);
          if (product !== null) found.push([node, product]);
          const whole = options.divides ? stackProductOf(node, shapes) : null;
          if (whole !== null) stacked.push([node, whole]);
        },
      },
      model: {
        exit: () => {
          const groups = new ExpertGroups(rewriter);
          const replace = (node: Node, result: Value): void => {
            const reads = [...node.inputs];
            replaceBy(rewriter, node, [result]);
            dropIfUnread(rewriter, reads);
          };
          for (const [node, product] of found) replace(node, groups.write(node, product));
          for (const [node, product] of stacked) replace(node, divided(rewriter, node, product));
          const products = found.length + stacked.length;
          if (products > 0) count("products", products);
        },
      },
    };
  },
};
