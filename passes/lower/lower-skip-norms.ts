import { attribute } from "../../compiler/ir/attribute.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { functionKey } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { sortNodes } from "../../compiler/ir/sort.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { rootOf } from "../../compiler/ir/walk.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../compiler/recognize/known-shapes.ts";
import { Elements } from "../../compiler/recognize/symbolic/elements.ts";
import type { Shapes } from "../../compiler/recognize/symbolic/shapes.ts";

const DOMAIN = "com.microsoft";

/** Of norms that say none. */
const DEFAULT_EPSILON = 1e-5;

/** Norms that are ops, and the op that adds first. */
const skipping: ReadonlyMap<string, string> = new Map([
  ["RMSNormalization", "SkipSimplifiedLayerNormalization"],
  ["SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"],
  ["LayerNormalization", "SkipLayerNormalization"],
]);

/** The types that its kernels take. */
const dtypes: ReadonlySet<DType | null> = new Set(["float", "float16", "bfloat16"]);

/** Axes of what its kernels take. */
const ranks: ReadonlySet<number | undefined> = new Set([2, 3]);

/** A sum and the norm of it. */
interface SkipNorm {
  readonly add: Node;
  readonly norm: Node;
  readonly op: string;
}

/**
 * Writes a sum and the norm of it as one op, which gives both: a block's output added to the residual stream, and the
 * norm in front of the next block.
 *
 * Before: `r = Add (x, y)`, `n = RMSNormalization (r, w)`.
 * After: `n, , , r = com.microsoft.SkipSimplifiedLayerNormalization (x, y, w)`; of `LayerNormalization`
 * `com.microsoft.SkipLayerNormalization`.
 *
 * Leaves alone sums whose operands are not known to have one shape, and types that the op has no kernels for. Of several
 * norms of one sum the first takes it along.
 */
export const lowerSkipNorms: Pass<object, NodeVisitor> = {
  name: "lower-skip-norms",
  summary: "write a sum and the norm of it as one op",
  options: {},
  stats: ["norms"],
  requires: [],
  walk: nodesIn("main", "subgraphs", "functions"),
  visitor: ({ model, rewriter, analysis, count }) => {
    const { shapes } = new Elements(knownShapes(analysis(viewDecoder)));
    const found = new Map<Node, SkipNorm>();
    const see = (norm: Node): void => {
      const add = norm.input(0)?.producer ?? null;
      const op = skipping.get(norm.op);
      if (add === null || op === undefined || found.has(add) || model.callee(norm) !== undefined) return;
      // A model's own function of the name would be called in its place.
      if (model.functions.has(functionKey({ domain: DOMAIN, name: op }))) return;
      if (isSkip(add, norm, shapes)) found.set(add, { add, norm, op });
    };
    return {
      ops: Object.fromEntries([...skipping.keys()].map((op) => [op, see])),
      model: {
        exit: () => {
          const graphs = new Set<Graph>();
          for (const skip of found.values()) {
            if (skip.norm.graph !== null) graphs.add(skip.norm.graph);
            join(skip, rewriter);
          }
          // A weight that is computed may stand behind the sum.
          for (const graph of graphs) sortNodes(rewriter, graph);
          count("norms", found.size);
        },
      },
    };
  },
};

/** Whether a norm is one of a sum that the op computes: over the last axis, of equal shapes, in one type. */
function isSkip(add: Node, norm: Node, shapes: Shapes): boolean {
  if (add.op !== "Add" || add.graph !== norm.graph) return false;
  const [x, y] = [shapes.of(add.input(0)), shapes.of(add.input(1))];
  if (x === null || y === null || !ranks.has(x.length) || x.length !== y.length) return false;
  if (!x.every((size, axis) => size.key === y[axis]?.key)) return false;
  const axis = norm.int("axis") ?? -1;
  if ((axis !== -1 && axis !== x.length - 1) || (norm.int("stash_type") ?? 1) !== 1) return false;
  // Mean and deviation are results that the other op has only for training.
  if (norm.outputs.slice(1).some(({ uses }) => uses.size > 0)) return false;
  const width = x.at(-1)?.key;
  const vectors = norm.inputs.slice(1);
  const dtype = elementTypeOf(add.result);
  return (
    dtypes.has(dtype) &&
    vectors.every((value) => isVector(value, width, shapes) && elementTypeOf(value) === dtype)
  );
}

function isVector(value: Value | null, width: string | undefined, shapes: Shapes): boolean {
  const sizes = shapes.of(value);
  return sizes?.length === 1 && sizes[0]?.key === width;
}

function join({ add, norm, op }: SkipNorm, rw: Rewriter): void {
  const [x, y, sum] = [add.input(0), add.input(1), add.result];
  // The norm reads it, too.
  const isRead = sum.uses.size > 1;
  const node = rw.node({
    ...{
      op,
      domain: DOMAIN,
      inputs: [x, y, ...norm.inputs.slice(1)],
      loc: madeBy(lowerSkipNorms.name, [add.loc, norm.loc]),
    },
    ...(norm.name === undefined ? {} : { name: norm.name }),
    outputs: isRead ? [undefined, undefined, undefined, undefined] : 1,
    attributes: { epsilon: attribute.float(norm.float("epsilon") ?? DEFAULT_EPSILON) },
  });
  rw.insertAfter(add, node);
  const root = add.graph === null ? null : rootOf(add.graph);
  if (root !== null && !root.opsets.has(DOMAIN)) rw.setOpset(root, DOMAIN, 1);
  replaceBy(rw, norm, [node.output(0)]);
  replaceBy(rw, add, [node.output(3)]);
}
