import type { Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";

/**
 * Makes products with weights of few bits take their rows as floats: some exporters let them be rounded to 8 bits, which is
 * faster, and of which a gradient knows nothing.
 *
 * Before: `y = MatMulNBits <accuracy_level = 4, …> (x, w, scales)`; after: the same without the attribute.
 */
export function multiplyExactly(model: Model, rw: Rewriter): void {
  for (const graph of [model.graph, ...[...model.functions.values()].map(({ body }) => body)])
    for (const node of nodesDeep(graph))
      if (node.op === "com.microsoft::MatMulNBits" && node.attributes.has("accuracy_level"))
        rw.removeAttribute(node, "accuracy_level");
}
