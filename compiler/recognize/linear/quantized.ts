import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { LinearCore } from "./linear.ts";
import { weightOf } from "./weight.ts";

/**
 * Projections whose activations are quantized at run time. The float input is that of the DynamicQuantizeLinear,
 * the float output that behind the scaling, so that what is put beside them works in float.
 */
export const quantizedForms: Readonly<Record<string, (node: Node) => LinearCore | null>> = {
  // DynamicQuantizeLinear(x) → MatMulInteger(xq, W [K, N]) → Cast → Mul(x_scale · w_scale)
  MatMulInteger: (node) => {
    const quantize = quantizerOf(node.input(0));
    const cast = onlyReader(node.output(0), "Cast");
    const scaled = onlyReader(cast?.output(0) ?? null, "Mul");
    const output = scaled?.output(0) ?? null;
    if (cast === null || scaled === null || output === null) return null;
    return core(quantize?.input(0) ?? null, node.input(1), output, [node, cast, scaled]);
  },
  // (x, W [K, N], w_scale, w_zero_point, bias): quantizes x itself
  "com.microsoft::DynamicQuantizeMatMul": (node) => {
    const output = node.output(0);
    return output === null ? null : core(node.input(0), node.input(1), output, [node], node.input(4));
  },
  // (xq, W [K, N], x_scale, w_scale, x_zero_point, w_zero_point, bias)
  "com.microsoft::MatMulIntegerToFloat": (node) => {
    const output = node.output(0);
    const x = quantizerOf(node.input(0))?.input(0) ?? null;
    return output === null ? null : core(x, node.input(1), output, [node], node.input(6));
  },
};

function core(
  input: Value | null,
  matrix: Value | null,
  output: Value,
  nodes: readonly Node[],
  bias: Value | null = null,
): LinearCore | null {
  const weight = weightOf(matrix);
  if (input === null || weight?.shape.length !== 2) return null;
  const [inFeatures = 0, outFeatures = 0] = weight.shape;
  // Scales are float32 in all of these.
  return { input, inFeatures, outFeatures, dtype: "float", weight: weight.root, bias, output, nodes };
}

function quantizerOf(value: Value | null): Node | null {
  const node = value?.producer ?? null;
  return node?.op === "DynamicQuantizeLinear" ? node : null;
}

function onlyReader(value: Value | null, op: string): Node | null {
  const [use] = value?.uses ?? [];
  return value?.uses.size === 1 && use?.kind === "input" && use.node.op === op ? use.node : null;
}
