import type { Builder } from "../ir/builder.ts";
import { cloneNode, type ValueMap } from "../ir/clone.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { has } from "../ops/table.ts";

/**
 * 0, int64 of rank 0, which is known once a value is: what is made of it and of stored numbers is neither folded into the
 * model when it is loaded nor computed before anything else. It is made of the number of elements, for which no provider
 * looks into a value: where that lies on a GPU nothing is copied and nothing waits. To onnxruntime the number is no
 * constant, not even where the shape is.
 */
export function lateZero(b: Builder, value: Value): Value {
  return b.op("Mul", [b.op("Size", [value], "size"), b.int(0)], "late_zero");
}

/** Whether a node makes floats of stored numbers, which take a fraction of their room, or shows such floats otherwise. */
export function isStoredFloats(node: Node): boolean {
  for (let at = node; ;) {
    const from = at.input(0);
    if (from === null) return false;
    const { producer } = from;
    if (has(at, "dequantize")) return producer === null || producer.op === "Constant";
    if (producer === null || !(has(at, "view") || has(at, "retype"))) return false;
    at = producer;
  }
}

/** Writes such a node again, for when a value is known: its scale waits. @param known stand-ins of what it reads */
export function lateFloats(b: Builder, node: Node, known: ValueMap, value: Value): Node {
  const copy = cloneNode(b.rewriter, node, known, b.loc);
  const scale = copy.input(1);
  if (!has(node, "dequantize") || scale === null) return b.place(copy);
  const zero = b.op("CastLike", [lateZero(b, value), scale], "zero");
  b.rewriter.setInput(copy, 1, b.op("Add", [scale, zero], "late_scale"));
  return b.place(copy);
}

/** Indices 0 up to a number, int64, once a value is known. */
export function lateRange(b: Builder, count: number, value: Value): Value {
  const zero = lateZero(b, value);
  return b.op("Range", [zero, b.op("Add", [zero, b.int(count)], "count"), b.int(1)], "all_rows");
}

/** A Reshape that waits for a value: of a stored tensor no copy is made when the model is loaded. */
export function lateReshape(b: Builder, x: Value, shape: readonly number[], value: Value): Value {
  const sizes = b.op("Add", [b.ints(shape), lateZero(b, value)], "late_shape");
  return b.op("Reshape", [x, sizes], "late_view");
}
