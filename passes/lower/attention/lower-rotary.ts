import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import type { Sink } from "../../../compiler/diagnostics/sink.ts";
import { attribute, type Attribute } from "../../../compiler/ir/attribute.ts";
import { before, Builder } from "../../../compiler/ir/builder.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { dropIfUnread, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { providers, type Provider } from "../../../compiler/ops/providers.ts";
import { nodesIn, type NodeVisitor } from "../../../compiler/pass/node-walker.ts";
import { choice, integer } from "../../../compiler/pass/options.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import { RotaryProver, type ExactRotary } from "../../../compiler/recognize/attention/rotary-exact.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { GraphIndex } from "../../../compiler/recognize/graph-index.ts";
import { knownShapes } from "../../../compiler/recognize/known-shapes.ts";
import { AngleTables } from "./_angle-tables.ts";
import { raiseOpset, redefined } from "../_opset.ts";
import { RotaryTables } from "./_rotary-tables.ts";

/** The first with `RotaryEmbedding`. */
const OPSET = 23;

/** What rotary embeddings are written for. */
interface RotaryOptions {
  readonly provider: Provider;
  /** How many positions there are; 0 where that is not known. */
  readonly positions: number;
}

/**
 * Writes rotary embeddings in plain ops as one op each, where they are proved to be that.
 *
 * Before: `a, b = Split (x)`, `t = Concat (Neg (b), a)`, `y = Add (Mul (x, cos), Mul (t, sin))`.
 * After: `y = RotaryEmbedding (x, cos, sin)`, cosines and sines being those that the graph computes, cut once for all
 * layers to one for each two features.
 *
 * For WebGPU cosines and sines are rows of constants, where how many positions there are is known:
 * `cos = Gather (rotary_cos, positions)`.
 *
 * Leaves alone, with a warning that says why, what turns features that are not proved to be turned like that.
 */
export const lowerRotary: Pass<RotaryOptions, NodeVisitor> = {
  name: "lower-rotary",
  summary: "write rotary embeddings in plain ops as one op each",
  options: {
    provider: choice({ help: "the execution provider", default: "cpu", of: [...providers] }),
    positions: integer({
      help: "positions that there are, 0 for unknown",
      default: 0,
      min: 0,
      max: 2 ** 31 - 1,
    }),
  },
  stats: ["rotary", "kept"],
  requires: [],
  walk: nodesIn("main"),
  visitor: ({ model, options, rewriter, sink, analysis, count }) => {
    const prover = new RotaryProver(new GraphIndex(model, model.graph), knownShapes(analysis(viewDecoder)));
    const { provider, positions } = options;
    // WebGPU alone: it has no kernel of `Cos` and `Sin` from opset 22 on, and before one of few digits.
    const angles =
      provider === "webgpu" && positions > 0
        ? new AngleTables(rewriter, model.graph, prover.elements, positions)
        : null;
    const tables = new RotaryTables(rewriter, model.graph, prover.shapes, angles);
    const found: { readonly node: Node; readonly rotary: ExactRotary }[] = [];
    const kept: { readonly node: Node; readonly why: string }[] = [];
    const see = (node: Node): void => {
      const rotary = prover.prove(node);
      if (rotary === null) return;
      const why = "why" in rotary ? rotary.why : tables.obstacle(rotary);
      if (why !== null) kept.push({ node, why });
      else if (!("why" in rotary)) found.push({ node, rotary });
    };
    return {
      ops: { Add: see, Concat: see },
      model: {
        exit: () => {
          const raised =
            found.length === 0
              ? null
              : (redefined(model, ["RotaryEmbedding"]) ?? raiseOpset(model, rewriter, OPSET));
          if (raised === null) for (const { rotary } of found) lower(rotary, rewriter, tables);
          else kept.push(...found.map(({ node }) => ({ node, why: raised })));
          count("rotary", raised === null ? found.length : 0);
          count("kept", kept.length);
          reportKept(kept, sink);
        },
      },
    };
  },
};

/** One message for each reason. */
function reportKept(kept: readonly { readonly node: Node; readonly why: string }[], sink: Sink): void {
  for (const why of new Set(kept.map((one) => one.why))) {
    const [first, ...more] = kept.filter((one) => one.why === why);
    if (first === undefined) continue;
    const place = { ...placeOf(first.node), pass: lowerRotary.name };
    sink.report("ROTARY_KEPT", place, { count: 1 + more.length, why });
  }
}

function lower(rotary: ExactRotary, rw: Rewriter, tables: RotaryTables): void {
  const { input, output, width, rotaryDim, headAxis, heads, interleaved } = rotary;
  const last = output.producer;
  if (last === null) return;
  const b = new Builder(rw, before(last));
  const name = output.name ?? "rotary";
  const attributes: Record<string, Attribute> = {
    ...(interleaved ? { interleaved: attribute.int(1) } : {}),
    ...(rotaryDim < width ? { rotary_embedding_dim: attribute.int(rotaryDim) } : {}),
    // Of four axes the op takes the second for that of the heads.
    ...(headAxis === 2 ? { num_heads: attribute.int(heads ?? 0) } : {}),
  };
  const own = rotary.regroups ? regrouped(input, b, name) : input;
  const flat = headAxis === 2 ? b.reshape(own, [0, 0, -1], `${name}_flat`) : own;
  const turned = b.op("RotaryEmbedding", [flat, tables.cos(rotary), tables.sin(rotary)], name, attributes);
  const made = headAxis === 2 ? b.reshape(turned, [0, 0, heads ?? 0, width], `${name}_heads`) : turned;
  takeOver(rw, output, made);
  dropIfUnread(rw, [output]);
}

/** Neighbours put into two halves. */
function regrouped(input: Value, b: Builder, name: string): Value {
  const [axis, step] = [b.ints([-1]), b.ints([2])];
  const end = b.ints([2 ** 31 - 1]);
  const parts = [0, 1].map((which) =>
    b.op("Slice", [input, b.ints([which]), end, axis, step], `${name}_part_${which}`),
  );
  return b.concat(parts, -1, `${name}_halves`);
}
