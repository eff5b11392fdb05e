import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { viewChain } from "../flow.ts";
import { weightOf } from "../linear/weight.ts";
import type { Router } from "./router.ts";

/** The bias that is added to a router's scores before the choice, and to no weights of experts. */
export interface ScoreBias {
  readonly reader: Node;
  /** Which of its inputs the bias is. */
  readonly index: number;
}

/**
 * Finds `Add(Sigmoid(x W), bias)`, which every choice of a router is by, as DeepSeek V3's and GLM4-MoE's. Null where
 * there is none, and where a choice could see the scores without it.
 */
export function scoreBiasOf({ linear, choices }: Router): ScoreBias | null {
  const [first] = choices;
  const read = first?.input(0) ?? null;
  const reader = read === null ? null : (viewChain(read).at(-1)?.producer ?? null);
  if (reader?.op !== "Add") return null;
  const index = reader.inputs.findIndex((value) => isBias(value, linear.outFeatures));
  const scores = index < 0 ? null : reader.input(1 - index);
  if (scores === null || !isScoring(scores, linear.output)) return null;
  return choices.every((choice) => isBy(choice, reader, choices)) ? { reader, index } : null;
}

function isBias(value: Value | null, experts: number): boolean {
  const shape = weightOf(value)?.shape;
  return shape?.at(-1) === experts && shape.every((size, i) => size === 1 || i === shape.length - 1);
}

/** Whether numbers are the Sigmoid or Softmax of what a router's linear gives. */
function isScoring(scores: Value, logits: Value): boolean {
  const node = viewChain(scores).at(-1)?.producer ?? null;
  const from = node?.op === "Sigmoid" || node?.op === "Softmax" ? node.input(0) : null;
  return from !== null && viewChain(from).includes(logits);
}

/** Whether all that a choice is computed from comes over one node, earlier choices, or constants. */
function isBy(choice: Node, bias: Node, choices: readonly Node[]): boolean {
  const seen = new Set<Node>([bias, ...choices]);
  const pending = [choice.input(0)];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at?.producer ?? null;
    if (node === null || seen.has(node)) continue;
    if (node.op === "Sigmoid" || node.op === "Softmax") return false;
    seen.add(node);
    if (node.op !== "Shape") pending.push(...node.inputs);
  }
  return true;
}
