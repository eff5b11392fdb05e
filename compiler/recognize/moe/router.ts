import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { scalarOf } from "../../ops/constant.ts";
import { has, opOf } from "../../ops/table.ts";
import { viewChain } from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import type { Linear } from "../linear/linear.ts";
import { TFC_DOMAIN } from "../../sites/site.ts";
import { weightOf } from "../linear/weight.ts";
import { groupsOf, type ExpertGroups } from "./groups.ts";

/** What sends each token to some experts. */
export interface Router {
  /** From the hidden size to one number an expert. */
  readonly linear: Linear;
  /** What chooses: the last TopK (or ArgMax), or the op that does all. */
  readonly choice: Node;
  /** Every node that chooses, in order: with groups of experts, those that choose groups, too. */
  readonly choices: readonly Node[];
  /** How numbers become weights: in front of the choice, or of what was chosen. */
  readonly scoring: "softmax" | "sigmoid" | null;
  /** Experts for each token; null where the graph does not say. */
  readonly topK: number | null;
  /** Experts are chosen of the best `top` groups; null where there are none. */
  readonly groups: ExpertGroups | null;
}

const standardDomains: ReadonlySet<string> = new Set(["", "ai.onnx", "com.microsoft", TFC_DOMAIN]);

/** The operand with the router's scores of an op that is a mixture of experts; null for other ops. */
export function scoresOfExperts(node: Node): number | null {
  const known = opOf(node).experts;
  if (known !== null) return known.scores;
  // An op of an engine's own, which a tracer did not look into: (x, scores, …).
  const isNamed = /(^|[^a-z])(fused_)?(q?moe|experts)([^a-z]|$)/i.test(node.opType);
  if (standardDomains.has(node.domain) || !isNamed) return null;
  return node.input(1) !== null && weightOf(node.input(1)) === null ? 1 : null;
}

/** Whether a node chooses by scores. */
export function isChoice(node: Node): boolean {
  return has(node, "best") || scoresOfExperts(node) !== null;
}

/**
 * The routers of a graph: linears whose numbers, and no others, some node chooses by. A choice among an earlier
 * choice's results (groups, then experts of them) is by the same linear. A sampler behind the head looks the same;
 * what is done with the choice tells them apart.
 */
export function routersOf(nodes: Iterable<Node>, index: GraphIndex): readonly Router[] {
  const choices = new Map<Linear, Node[]>();
  const origins = new Map<Value, Linear | "several">();
  for (const node of nodes) {
    const origin = originOf(node, index, origins);
    if (origin !== null) for (const output of node.outputs) origins.set(output, origin);
    const operand = node.input(scoresOfExperts(node) ?? 0);
    const by = operand === null ? undefined : origins.get(operand);
    if (!isChoice(node) || by === undefined || by === "several" || operand === null) continue;
    // Chosen ids are sorted by a TopK, too, where tokens of one expert are put side by side.
    if (viewChain(operand).some((value) => isIds(value))) continue;
    choices.set(by, [...(choices.get(by) ?? []), node]);
  }
  return [...choices].flatMap(([linear, found]) => routerOf(linear, found) ?? []);
}

/** Whether a value says which were chosen. */
function isIds({ producer, index }: Value): boolean {
  return producer?.op === "ArgMax" || (producer?.op === "TopK" && index === 1);
}

/** The linear that a node's results come from, over everything that is no linear; null for none. */
function originOf(
  node: Node,
  index: GraphIndex,
  origins: ReadonlyMap<Value, Linear | "several">,
): Linear | "several" | null {
  if (has(node, "shape")) return null;
  const own = index.linearOf(node);
  if (own !== null) return own;
  let found: Linear | "several" | null = null;
  for (const input of node.inputs) {
    const origin = input === null ? undefined : origins.get(input);
    if (origin === undefined || origin === found) continue;
    if (found !== null) return "several";
    found = origin;
  }
  return found;
}

function routerOf(linear: Linear, choices: readonly Node[]): Router | null {
  const choice = choices.at(-1);
  if (choice === undefined) return null;
  const tops = choices.map((node) => topOf(node));
  return {
    linear,
    choice,
    choices,
    scoring: scoringOf(linear, choice),
    topK: tops.at(-1) ?? null,
    groups: groupsOf(choices, linear.outFeatures),
  };
}

/** How many a node chooses. */
function topOf(node: Node): number | null {
  if (node.op === "ArgMax") return 1;
  if (node.op === "TopK") return scalarOf(node.input(1));
  return node.int(opOf(node).experts?.topK ?? "top_k") ?? null;
}

const scorings: ReadonlyMap<string, Router["scoring"]> = new Map([
  ["Softmax", "softmax"],
  ["Sigmoid", "sigmoid"],
]);

/** The first Softmax or Sigmoid behind the router, in front of the choice or behind it. */
function scoringOf(linear: Linear, choice: Node): Router["scoring"] {
  const seen = new Set<Value>([linear.output]);
  const pending = [linear.output, ...choice.outputs];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    for (const node of at.users) {
      const scoring = scorings.get(node.op);
      if (scoring !== undefined) return scoring;
      if (!numeric.has(node.op)) continue;
      for (const output of node.outputs) {
        if (seen.has(output)) continue;
        seen.add(output);
        pending.push(output);
      }
    }
  }
  return null;
}

/** What may lie between the router's numbers and their scores. */
const numeric: ReadonlySet<string> = new Set(["Cast", "Reshape", "Identity", "Add", "Mul", "Div", "TopK"]);
