import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import type { Sink } from "../../compiler/diagnostics/sink.ts";
import { attribute, type Attribute } from "../../compiler/ir/attribute.ts";
import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, takeOver } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { rankOf } from "../../compiler/ops/rank.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../compiler/recognize/known-shapes.ts";
import { readNorm, type ExactNorm } from "../../compiler/recognize/norm/exact.ts";
import { Elements } from "../../compiler/recognize/symbolic/elements.ts";
import { raiseOpset, redefined } from "./_opset.ts";

/** The first versions of the default domain with each op. */
const opsets = { rms: 23, layer: 17 } as const;

const names = { rms: "RMSNormalization", layer: "LayerNormalization" } as const;

/** What `stash_type` calls float32. */
const FLOAT = 1;

/**
 * Writes norms in plain ops as one op each, where they are proved to be that.
 *
 * Before: `x² = Pow (x, 2)`, `m = ReduceMean (x²)`, `e = Add (m, ε)`, `s = Sqrt (e)`, `r = Reciprocal (s)`,
 * `n = Mul (x, r)`, `y = Mul (n, w)`.
 * After: `y = RMSNormalization <epsilon> (x, w)`; of `x - mean(x)` a `LayerNormalization`.
 *
 * Leaves alone, with a warning that says why, means over other axes, an epsilon that is not constant, what is computed in
 * another type than float32, and statistics that something else reads.
 */
export const lowerNorms: Pass<object, NodeVisitor> = {
  name: "lower-norms",
  summary: "write norms in plain ops as one op each",
  options: {},
  stats: ["norms", "kept"],
  requires: [],
  walk: nodesIn("main", "subgraphs", "functions"),
  visitor: ({ model, rewriter, sink, analysis, count }) => {
    const { shapes } = new Elements(knownShapes(analysis(viewDecoder)));
    const found: { readonly mean: Node; readonly norm: ExactNorm }[] = [];
    const kept: { readonly mean: Node; readonly why: string }[] = [];
    return {
      ops: {
        ReduceMean: (mean) => {
          const norm = readNorm(mean, shapes);
          if (norm === null) return;
          if ("why" in norm) kept.push({ mean, why: norm.why });
          else found.push({ mean, norm });
        },
      },
      model: {
        exit: () => {
          const kinds = new Set(found.map(({ norm }) => norm.kind));
          const newest = Math.max(0, ...[...kinds].map((kind) => opsets[kind]));
          const ops = [...kinds].map((kind) => names[kind]);
          const why = redefined(model, ops) ?? raiseOpset(model, rewriter, newest);
          if (why === null)
            lowerAll(
              found.map(({ norm }) => norm),
              rewriter,
            );
          else kept.push(...found.map(({ mean }) => ({ mean, why })));
          count("norms", why === null ? found.length : 0);
          count("kept", kept.length);
          reportKept(kept, sink);
        },
      },
    };
  },
};

/** One message for each reason. */
function reportKept(kept: readonly { readonly mean: Node; readonly why: string }[], sink: Sink): void {
  for (const why of new Set(kept.map((one) => one.why))) {
    const [first, ...more] = kept.filter((one) => one.why === why);
    if (first === undefined) continue;
    const place = { ...placeOf(first.mean), pass: lowerNorms.name };
    sink.report("NORM_KEPT", place, { count: 1 + more.length, why });
  }
}

function lowerAll(norms: readonly ExactNorm[], rw: Rewriter): void {
  // What one norm makes, another may read.
  const made = new Map<Value, Value>();
  const now = (value: Value | null): Value | null => (value === null ? null : (made.get(value) ?? value));
  for (const { output, ...norm } of norms) {
    const last = output.producer;
    if (last === null) continue;
    const b = new Builder(rw, before(last));
    const name = output.name ?? "norm";
    const scale = vector(now(norm.scale) ?? ones(norm, b, name), norm, b, `${name}_scale`);
    const bias = now(norm.bias);
    const shift = bias === null ? [] : [vector(bias, norm, b, `${name}_bias`)];
    const inputs = [now(norm.input), scale, ...shift];
    const named = last.name === undefined ? {} : { name: last.name };
    const node = rw.node({
      op: names[norm.kind],
      ...named,
      inputs,
      attributes: attributesOf(norm),
      loc: b.loc,
    });
    const { result } = b.place(node);
    made.set(output, result);
    takeOver(rw, output, result);
    dropIfUnread(rw, [output]);
  }
}

function attributesOf({ epsilon }: Pick<ExactNorm, "epsilon">): Readonly<Record<string, Attribute>> {
  return {
    axis: attribute.int(-1),
    epsilon: attribute.float(epsilon),
    stash_type: attribute.int(FLOAT),
  };
}

function ones({ dtype, width }: Pick<ExactNorm, "dtype" | "width">, b: Builder, name: string): Value {
  return b.constant(dtype, [width], new Array<number>(width).fill(1), `${name}_ones`);
}

/** Axes of one element in front go. */
function vector(value: Value, { width }: Pick<ExactNorm, "width">, b: Builder, name: string): Value {
  return rankOf(value) === 1 ? value : b.reshape(value, [width], name);
}
