import { attribute } from "../../compiler/ir/attribute.ts";
import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { asTensor, tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";

/**
 * Makes products with weights of few bits take their rows as floats. Some exporters let rows be rounded to 8 bits on the
 * way, by the largest number among all rows that are there: a gradient knows nothing of that, and a row's loss would hang
 * on the others of its batch.
 *
 * - `y = MatMulNBits <accuracy_level = 4, …> (x, w, scales)`: the same without the attribute.
 * - `q, s, z = DynamicQuantizeLinear (x)`, `y = Cast (MatMulInteger (q, w, z, w_z)) · (s · w_s)`: `y = MatMul (x,
 *   DequantizeLinear (w, 1, w_z)) · (1 · w_s)`; likewise `MatMulIntegerToFloat`.
 * - `y = DynamicQuantizeMatMul (x, w, w_s, w_z, bias)`: `y = MatMul (x, DequantizeLinear (w, w_s, w_z)) + bias`.
 */
export function multiplyExactly(model: Model, rw: Rewriter): void {
  for (const graph of [model.graph, ...[...model.functions.values()].map(({ body }) => body)])
    exactIn(graph, rw);
}

function exactIn(graph: Graph, rw: Rewriter): void {
  for (const node of nodesDeep(graph)) {
    if (node.op === "com.microsoft::MatMulNBits") rw.removeAttribute(node, "accuracy_level");
    if (node.op === "com.microsoft::DynamicQuantizeMatMul") {
      const [, w = null, scale = null, zero = null, bias = null] = node.inputs;
      multiply(node, node.input(0), { w, scale, zero }, bias, rw);
    }
    if (node.op === "DynamicQuantizeLinear") withoutRounding(node, rw);
  }
}

/** Products that take what `DynamicQuantizeLinear` makes: where they have (a's scale, a's zero, w, w's scale, w's zero, bias). */
const takers: ReadonlyMap<string, readonly (number | null)[]> = new Map([
  ["MatMulInteger", [null, 2, 1, null, 3, null]],
  ["com.microsoft::MatMulIntegerToFloat", [2, 4, 1, 3, 5, 6]],
]);

/** Takes a rounding away where products alone read it. */
function withoutRounding(node: Node, rw: Rewriter): void {
  const [rounded, scale, zero] = node.outputs;
  const x = node.input(0);
  if (rounded === undefined || scale === undefined || zero === undefined || x === null) return;
  const readers = [...rounded.users];
  if (!readers.every((reader) => takes(reader, rounded, scale, zero))) return;
  if (![...zero.users].every((reader) => readers.includes(reader))) return;
  for (const reader of readers) {
    const [w, own, wZero, bias] = (takers.get(reader.op) ?? []).slice(2).map((i) => operand(reader, i));
    multiply(reader, x, { w: w ?? null, scale: own ?? null, zero: wZero ?? null }, bias ?? null, rw);
  }
  if (scale.uses.size > 0) {
    const b = new Builder(rw, before(node));
    rw.replaceUses(scale, b.constant("float", [], [1], `${scale.name ?? "scale"}_of_floats`));
  }
  dropIfUnread(rw, [rounded]);
}

function takes(reader: Node, rounded: Value, scale: Value, zero: Value): boolean {
  const [ownScale, ownZero] = takers.get(reader.op) ?? [];
  if (ownScale === undefined || ownZero === undefined || reader.inputs.indexOf(rounded) !== 0) return false;
  if (reader.inputs.lastIndexOf(rounded) !== 0) return false;
  return (ownScale === null || operand(reader, ownScale) === scale) && operand(reader, ownZero) === zero;
}

function operand(node: Node, index: number | null): Value | null {
  return index === null ? null : node.input(index);
}

interface Stored {
  readonly w: Value | null;
  /** Null for 1. */
  readonly scale: Value | null;
  readonly zero: Value | null;
}

/** Writes a product of floats in a node's place. */
function multiply(
  node: Node,
  x: Value | null,
  { w, scale, zero }: Stored,
  bias: Value | null,
  rw: Rewriter,
): void {
  const b = new Builder(rw, before(node));
  const name = node.result.name ?? "product";
  const factor = scale ?? oneFor(b, zero, name);
  const floats = b.op("DequantizeLinear", [w, factor, ...(zero === null ? [] : [zero])], `${name}_weight`, {
    axis: attribute.int(-1),
  });
  const product = b.op("MatMul", [x, floats], `${name}_of_floats`);
  const result = bias === null ? product : b.op("Add", [product, bias], `${name}_biased`);
  rw.setType(result, tensorType("float", asTensor(node.result.type)?.shape));
  for (const [key, text] of node.meta) if (product.producer !== null) rw.setMeta(product.producer, key, text);
  replaceBy(rw, node, [result]);
}

/** The scale 1, as many as there are zero points. */
function oneFor(b: Builder, zero: Value | null, name: string): Value {
  const shape = zero === null ? [] : zero.constant?.shape;
  if (shape !== undefined) {
    const size = shape.reduce((a, c) => a * c, 1);
    return b.constant("float", shape, Array<number>(size).fill(1), `${name}_units`);
  }
  const one = b.constant("float", [], [1], `${name}_unit`);
  return b.op("Expand", [one, b.op("Shape", [zero], `${name}_zeros`)], `${name}_units`);
}
