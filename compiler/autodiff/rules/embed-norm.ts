import { attribute } from "../../ir/attribute.ts";
import type { Value } from "../../ir/value.ts";
import type { Decomposition, RuleRow, Vjp } from "../rule.ts";
import { add } from "../terms.ts";

/**
 * The norm of a sum of embeddings: `(tokens, segments, words, places, segment embeddings, weight, bias, mask, positions)` →
 * `(norm, mask index, sum)`.
 */
export const embedNormRules: readonly RuleRow[] = [
  [
    "com.microsoft::EmbedLayerNormalization",
    {
      by: () => [2, 3, 4, 5, 6],
      write: (at) => {
        at.through(writtenOut(at));
      },
    },
  ],
];

function writtenOut({ node }: Vjp): Decomposition {
  return (b, operands) => {
    const [tokens, segments, words, places, kinds, weight, bias, , positions] = operands;
    if (!tokens || !words || !places || !weight || !bias) return [];
    const count = (): Value => b.range(b.dim(tokens, 1, "length"), "positions");
    const parts = [
      b.gather(words, tokens, "word"),
      b.gather(places, positions ?? count(), "place"),
      ...(segments && kinds ? [b.gather(kinds, segments, "segment")] : []),
    ];
    const sum = parts.reduce((all, part) => add(b, all, part));
    const epsilon = attribute.float(node.float("epsilon") ?? 1e-12);
    const norm = b.op("LayerNormalization", [sum, weight, bias], "norm", {
      axis: attribute.int(-1),
      epsilon,
    });
    return [norm, null, sum];
  };
}
