import { END, type Builder } from "../../../ir/builder.ts";
import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import { add, like, mul } from "../../terms.ts";

type Write = (b: Builder, x: Value) => Value;

/** Functions between the products of an expert, by `activation_type`; gated ones are {@link activated}'s. */
const functions: Readonly<Record<string, Write>> = {
  relu: (b, x) => b.op("Relu", [x], "active"),
  // Onnxruntime's experts have the tanh form.
  gelu: (b, x) => b.op("com.microsoft::FastGelu", [x], "active"),
  silu: (b, x) => mul(b, x, b.op("Sigmoid", [x], "gate"), "active"),
  identity: (_, x) => x,
};

export const activations: ReadonlySet<string> = new Set([...Object.keys(functions), "swiglu"]);

/**
 * What an expert's first product becomes in front of its last one.
 *
 * @param h `[rows, features]`, gate and up together where they are fused
 * @param third writes the product of fc3; null where there is none
 */
export function activated(b: Builder, node: Node, h: Value, third: (() => Value) | null): Value {
  const type = node.string("activation_type") ?? "relu";
  if (type !== "swiglu") {
    const active = functions[type]?.(b, h) ?? h;
    return third === null ? active : mul(b, active, third(), "gated");
  }
  const [gate, up] = gateAndUp(b, node, h, third);
  const limit = node.float("swiglu_limit");
  const [g, l] =
    limit === undefined
      ? [gate, up]
      : [
          b.op("Min", [gate, like(b, limit, gate)], "gate_below"),
          b.op("Clip", [up, like(b, -limit, up), like(b, limit, up)], "up_within"),
        ];
  const alpha = node.float("activation_alpha") ?? 1;
  const steep = alpha === 1 ? g : mul(b, g, like(b, alpha, g), "steep");
  const swish = mul(b, g, b.op("Sigmoid", [steep], "share"), "swish");
  const beta = node.float("activation_beta") ?? 0;
  return mul(b, swish, beta === 0 ? l : add(b, l, like(b, beta, l), "up_above"), "gated");
}

/** Of two products, or of one whose features are one of each in turn (`swiglu_fusion` 1) or all gates first (2). */
function gateAndUp(
  b: Builder,
  node: Node,
  h: Value,
  third: (() => Value) | null,
): readonly [gate: Value, up: Value] {
  const fusion = node.int("swiglu_fusion") ?? 0;
  if (fusion === 0 && third !== null) return [h, third()];
  if (fusion === 2) {
    const half = b.op("Div", [b.dim(h, 1, "both"), b.ints([2])], "half");
    return [b.slice(h, 0, half, 1, "gate"), b.slice(h, half, END, 1, "up")];
  }
  const every = (first: number, name: string): Value =>
    b.op("Slice", [h, b.ints([first]), b.ints([END]), b.ints([1]), b.ints([2])], name);
  return [every(0, "gate"), every(1, "up")];
}
