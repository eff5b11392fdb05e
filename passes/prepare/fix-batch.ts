import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorType, type Dim, type ValueType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { graphsDeep } from "../../compiler/ir/walk.ts";
import { integer } from "../../compiler/pass/options.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { rowAxes } from "./_row-axes.ts";
import { withNumber } from "./_row-dims.ts";

export interface BatchOptions {
  readonly batch: number;
}

/**
 * Fixes how many rows a graph takes, so that the passes behind can leave out what only other numbers need.
 *
 * Before: `input_ids int64[batch_size, sequence_length]`, `past_key_values.0.key float[batch_size, 2, past, 32]`.
 * After: `input_ids int64[1, sequence_length]`, `past_key_values.0.key float[1, 2, past, 32]`.
 * What has no name is found by what the input is to a decoder. Values inside follow by the name: `batch_size` becomes the
 * number, `2*batch_size*sequence_length` a multiple of the length. Functions have names of their own, which stay.
 *
 * Refuses a graph whose tokens stand in one line, one that has another number already, and a name that counts something
 * else as well.
 */
export const fixBatch: Pass<BatchOptions, NodeVisitor> = {
  name: "fix-batch",
  summary: "fix how many rows the graph takes",
  options: { batch: integer({ help: "rows that a graph takes", default: 1, min: 1, max: 2 ** 31 - 1 }) },
  stats: ["inputs", "outputs", "values"],
  requires: [],
  walk: nodesIn("main"),
  visitor: ({ model, options, rewriter, count }) => ({
    model: {
      exit: () => {
        const { symbols, axes } = rowAxes(model, options.batch, fixBatch.name);
        const fix = (value: Value): number => {
          const type = fixed(value.type, (dim, axis) =>
            axis === axes.get(value) && (dim === null || dim === "")
              ? options.batch
              : withNumber(dim, symbols, options.batch),
          );
          return retyped(value, type, rewriter);
        };
        const { inputs, outputs } = model.graph;
        for (const value of inputs) count("inputs", fix(value));
        for (const value of outputs) count("outputs", fix(value));
        for (const graph of graphsDeep(model.graph))
          for (const value of [...graph.inputs, ...[...graph.nodes].flatMap((node) => node.outputs)])
            count("values", fix(value));
      },
    },
  }),
};

/** @returns 1 where the type says something new */
function retyped(value: Value, type: ValueType | undefined, rw: Rewriter): number {
  if (type === value.type) return 0;
  rw.setType(value, type);
  return 1;
}

/** A type with other sizes; the same object where they are as they were. */
function fixed(type: ValueType | undefined, size: (dim: Dim, axis: number) => Dim): ValueType | undefined {
  switch (type?.kind) {
    case "tensor":
    case "sparse_tensor": {
      const { kind, dtype, shape } = type;
      const sizes = shape?.map(size);
      if (sizes === undefined || sizes.every((dim, axis) => dim === shape?.[axis])) return type;
      return kind === "tensor" ? tensorType(dtype, sizes) : { kind, dtype, shape: sizes };
    }
    case "seq":
    case "optional": {
      // What is in it has no axis of its own that a role would tell.
      const of = fixed(type.of, (dim) => size(dim, -1));
      return of === undefined || of === type.of ? type : { kind: type.kind, of };
    }
    default:
      return type;
  }
}
