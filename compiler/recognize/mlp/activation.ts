import type { Node } from "../../ir/node.ts";
import { opOf } from "../../ops/table.ts";

/** Whether an op makes a chain of elementwise ones an activation. */
export function isActivation(node: Node): boolean {
  return opOf(node).activation !== null;
}

/** The activation that a node is the heart of, as its users name it. `Gelu` comes in two: exact, and by tanh. */
export function activationName(anchor: Node): string {
  const name = opOf(anchor).activation ?? anchor.op;
  return anchor.op === "Gelu" && anchor.string("approximate") === "tanh" ? "gelu_tanh" : name;
}
