import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { carriedInputs, has, opOf } from "../../ops/table.ts";
import type { Attention } from "../attention/attention.ts";
import { viewChain } from "../flow.ts";
import type { Linear } from "../linear/linear.ts";
import type { Region } from "../region.ts";
import { recognizeNorm, type Norm } from "./norm.ts";

/** A norm with the value that it makes, its weight included: what {@link normWeight} finds the weight of. */
export interface PlacedNorm {
  readonly norm: Norm;
  readonly output: Value;
}

/** The norms of queries and of keys, between their projections and attention: Qwen3's, Gemma 3's, OLMo 2's. */
export function headNorms({ anchor, q, k, region }: Attention): {
  readonly q: PlacedNorm | null;
  readonly k: PlacedNorm | null;
} {
  return { q: normAbove(anchor.query, q, region), k: normAbove(anchor.key, k, region) };
}

/** The last norm on the way from a projection to an operand. */
function normAbove(operand: Value, projection: Linear, { nodes }: Region): PlacedNorm | null {
  const inside = new Set(nodes);
  const seen = new Set<Value>();
  const pending = [operand];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    const node = at.producer;
    if (node === null || seen.has(at) || !inside.has(node) || projection.nodes.includes(node)) continue;
    seen.add(at);
    const norm = recognizeNorm(at);
    if (norm?.input && comesFrom(norm.input, projection)) return { norm, output: withoutViews(at) };
    for (const input of carriedInputs(node)) if (input !== null) pending.push(input);
  }
  return null;
}

/** Whether a value is a part or a view of a projection's result. */
function comesFrom(value: Value, { output, nodes }: Linear): boolean {
  for (let at: Value | null = value; at !== null;) {
    if (at === output) return true;
    const node: Node | null = at.producer;
    if (node === null || nodes.includes(node)) return node !== null;
    if (!has(node, "view") && !has(node, "cut")) return false;
    at = node.input(0);
  }
  return false;
}

/** What a value is a view of. */
function withoutViews(value: Value): Value {
  return viewChain(value).at(-1) ?? value;
}

/**
 * The norm of a block's output before it is added to the residual stream: that of Gemma 2 and 3, of OLMo 2 and GLM4.
 * Null where the output is added as it is; the norm that reads the sum is the next block's.
 */
export function normBehind({ output }: Pick<Region, "output">): PlacedNorm | null {
  let found: PlacedNorm | null = null;
  const seen = new Set<Node>();
  const pending = [output];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    for (const node of at.users) {
      if (seen.has(node) || !isOfNorm(node)) continue;
      seen.add(node);
      const [result] = node.outputs;
      if (result === undefined) continue;
      const norm = recognizeNorm(result);
      const isOwn = norm?.input && viewChain(norm.input).includes(output);
      if (isOwn && !has(node, "view")) found = { norm, output: result };
      // Behind the norm itself lies what it is added to.
      if (norm === null || isOwn) pending.push(result);
    }
  }
  return found;
}

/** Whether a node may be part of a norm: the op itself, or the arithmetic that writes one out. */
function isOfNorm(node: Node): boolean {
  const { norm, traits, activation } = opOf(node);
  if (norm !== null) return !norm.adds;
  if (activation !== null) return false;
  // The sum with the residual stream is no part of it; a sum with a parameter, the epsilon or a bias, may be.
  if (node.op === "Add") return node.inputs.some((v) => v !== null && isParameter(v));
  return traits.has("view") || traits.has("elementwise") || traits.has("reduce");
}

function isParameter(value: Value): boolean {
  return viewChain(value).some((one) => one.constant !== undefined || one.producer?.op === "Constant");
}
