import { madeBy } from "../../compiler/ir/entity.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { dropIfUnread } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import { given } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import type { ParameterOwner } from "../../compiler/recognize/model/parameters.ts";
import { planOverrides, type Override, type Overrides } from "./_override-plan.ts";
import { overriddenBytes, readShape } from "./_overridden.ts";
import { widen } from "./_widening.ts";

export interface OverrideOptions {
  readonly overrides: Overrides;
}

/**
 * Puts weights of a checkpoint in place of the base's.
 *
 * Before: `q = MatMul (x, Transpose (W))`, W `[out, in]` as the exporter stored it.
 * After: `q = MatMul (x, W')`, W' `[in, out]`: laid out as the node reads it, in its type. A packed weight is made of
 * the parts that were given and the base's others. Where head and embeddings are tied, also as a transposed copy, and
 * only the embeddings are given, both are replaced, unless the file says that the head does not follow.
 *
 * Embeddings and head with another number of tokens than the base's change the width of the logits.
 *
 * The nodes that read other weights through the same initializer keep it. Refuses by name what the graph does not have,
 * what is quantized, and what the graph computes on before it is used.
 */
export const overrideWeights: Pass<OverrideOptions, BlockVisitor> = {
  name: "override-weights",
  summary: "put weights of a checkpoint in place of the base's",
  options: {
    overrides: given<Overrides>({
      help: "weights by name",
      default: { file: "", weights: new Map(), headFollows: true },
    }),
  },
  stats: ["overrides", "parameters"],
  requires: [],
  walk: blocks,
  visitor: ({ model, options, rewriter, analysis, count }) => {
    const plan = planOverrides(model, analysis(viewDecoder), options.overrides);
    const overrideIn = (owner: ParameterOwner): void => {
      for (const one of plan.overrides.get(owner) ?? []) override(model, rewriter, one);
    };
    return {
      embedding: {
        exit: () => {
          overrideIn("embedding");
        },
      },
      layer: { exit: overrideIn },
      head: {
        exit: () => {
          overrideIn("head");
          for (const widening of plan.widenings) widen(model, rewriter, widening);
        },
      },
      model: {
        exit: () => {
          count("overrides", plan.weights);
          count("parameters", plan.parameters);
        },
      },
    };
  },
};

function override(model: Model, rw: Rewriter, { name, reader, index, parts }: Override): void {
  const [first] = parts;
  if (first === undefined) throw new Error(`nothing to put at ${name}`);
  const { dtype } = first.place;
  const shape = readShape(first.place);
  const tensor = new Tensor(dtype, shape, {
    kind: "deferred",
    file: "overrides",
    produce: () => overriddenBytes(parts),
  });
  const loc = madeBy(overrideWeights.name, [reader.loc]);
  const value = rw.value(loc, `${name}.override`, tensorType(dtype, shape), tensor);
  rw.addInitializer(model.graph, value);
  const old = reader.input(index);
  rw.setInput(reader, index, value);
  dropIfUnread(rw, [old]);
}
