import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { dropIfUnread, replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { yesNo } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import type { Lora } from "../../compiler/recognize/linear/lora.ts";
import type { LoraPlace } from "../../compiler/recognize/model/loras.ts";

export interface RemoveLoraOptions {
  readonly given: boolean;
}

/**
 * Takes the LoRA out that a graph adds to its projections: what is left is the base.
 *
 * Before: `p = MatMul (x, W)`, `a = MatMul (x, A)`, `b = MatMul (a, B)`, `s = Mul (b, scale)`, `y = Add (p, s)`.
 * After: `p = MatMul (x, W)`; readers of y read p.
 *
 * Leaves alone, with a warning, what cannot be kept as an adapter, so that base and adapter together are what the graph
 * was: LoRA at what is no projection with a name, and matrices that are quantized or computed. LoRA that callers give
 * goes only where `given` asks for it; the inputs go with it.
 */
export const removeLora: Pass<RemoveLoraOptions, BlockVisitor> = {
  name: "remove-lora",
  summary: "take the LoRA out that a graph adds to its projections",
  options: { given: yesNo({ help: "that whose matrices are graph inputs, too" }) },
  stats: ["removed", "left"],
  requires: [],
  walk: blocks,
  visitor: ({ rewriter, sink, options, count }) => {
    const left: { readonly place: LoraPlace; readonly why: string }[] = [];
    return {
      lora: {
        exit: (place) => {
          const why = whyLeft(place, options);
          if (why !== null) left.push({ place, why });
          // The last sum first: it is computed from those before it.
          else for (const lora of place.linear.loras.toReversed()) remove(rewriter, lora);
          count(why === null ? "removed" : "left", place.linear.loras.length);
        },
      },
      model: {
        exit: () => {
          const [first] = left;
          if (first === undefined) return;
          const where = { ...placeOf(first.place.linear.node), pass: "remove-lora" };
          sink.report("LORA_LEFT", where, { count: left.length, why: first.why });
        },
      },
    };
  },
};

function whyLeft({ obstacle, isStored }: LoraPlace, { given }: RemoveLoraOptions): string | null {
  if (obstacle !== null) return obstacle;
  return isStored || given ? null : "its matrices are inputs of the graph";
}

function remove(rw: Rewriter, { addition, beside, a, b }: Lora): void {
  const [summand = null] = addition.inputs.filter((value) => value !== beside);
  replaceBy(rw, addition, [beside]);
  dropIfUnread(rw, [summand]);
  for (const { matrix, weight } of [a, b]) dropInput(rw, weight?.root ?? matrix);
}

/** An input that nothing reads any more, with its default. */
function dropInput(rw: Rewriter, value: Value): void {
  const { graph, isInput } = value;
  if (!isInput || graph === null || value.uses.size > 0) return;
  if (value.constant !== undefined) rw.removeInitializer(value);
  rw.removeInput(graph, value);
}
