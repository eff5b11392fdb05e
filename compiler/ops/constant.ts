import type { Node } from "../ir/node.ts";
import { numbers, scalar, tensorOf } from "../ir/scalar.ts";
import { Tensor } from "../ir/tensor.ts";
import type { Value } from "../ir/value.ts";
import { has } from "./table.ts";

/** Initializers of graphs below this IR version are among the inputs by rule, and constants all the same. */
export const FIRST_WITH_DEFAULTS = 4;

/** No exporter puts more ops than this between a constant and its reader. */
const LONGEST_PATH = 64;

/** Whether a caller may give something else for an initializer: it is the default of an input. */
function canBeOverridden({ isInput, graph }: Value): boolean {
  const owner = graph?.owner ?? null;
  const isOld = owner !== null && "irVersion" in owner && owner.irVersion < FIRST_WITH_DEFAULTS;
  return isInput && !isOld;
}

/**
 * The tensor a value always holds: an initializer that no caller can override, or the output of a Constant node,
 * also behind Identity.
 */
export function constantOf(value: Value | null): Tensor | null {
  let at = value;
  for (let steps = 0; at !== null && steps < LONGEST_PATH; steps++) {
    if (at.constant !== undefined) return canBeOverridden(at) ? null : at.constant;
    const node: Node | null = at.producer;
    if (node === null) return null;
    if (node.op !== "Identity") return node.op === "Constant" ? constantNode(node) : null;
    at = node.input(0);
  }
  return null;
}

function constantNode(node: Node): Tensor | null {
  for (const [name, attr] of node.attributes) {
    if (attr.kind === "tensor") return attr.value;
    if (attr.kind === "float") return tensorOf("float", [], [attr.value]);
    if (attr.kind === "int") return tensorOf("int64", [], [attr.value]);
    if (attr.kind === "floats" && name === "value_floats")
      return tensorOf("float", [attr.value.length], attr.value);
    if (attr.kind === "ints" && name === "value_ints")
      return tensorOf("int64", [attr.value.length], attr.value);
  }
  return null;
}

/** The one number a value always holds, of any shape with one element and of any type it is cast to, or null. */
export function scalarOf(value: Value | null): number | null {
  let at = value;
  for (let steps = 0; at?.producer && has(at.producer, "retype") && steps < LONGEST_PATH; steps++)
    at = at.producer.input(0);
  const tensor = constantOf(at);
  return tensor === null ? null : scalar(tensor);
}

/** The integers a value always holds (axes, a shape), or null. */
export function integersOf(value: Value | null): readonly number[] | null {
  const tensor = constantOf(value);
  return tensor === null ? null : numbers(tensor);
}
