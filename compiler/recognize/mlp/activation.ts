import type { Node } from "../../ir/node.ts";

/** Ops that make an elementwise chain an activation, and the name users know it by. */
const activations: Readonly<Record<string, string>> = {
  Sigmoid: "silu",
  Swish: "silu",
  Erf: "gelu",
  Gelu: "gelu",
  "com.microsoft::Gelu": "gelu",
  "com.microsoft::BiasGelu": "gelu",
  "com.microsoft::FastGelu": "gelu_tanh",
  "com.microsoft::QuickGelu": "quick_gelu",
  Tanh: "gelu_tanh",
  Relu: "relu",
  HardSwish: "hard_swish",
  Softplus: "softplus",
  Elu: "elu",
  Mish: "mish",
};

/** The ops that make a chain of elementwise ones an activation. */
export const activationOps: ReadonlySet<string> = new Set(Object.keys(activations));

/** The activation that a node is the heart of, as its users name it. `Gelu` comes in two: exact, and by tanh. */
export function activationName(anchor: Node): string {
  const name = activations[anchor.op] ?? anchor.op;
  return anchor.op === "Gelu" && anchor.string("approximate") === "tanh" ? "gelu_tanh" : name;
}
