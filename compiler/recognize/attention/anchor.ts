import type { Node } from "../../ir/node.ts";
import { siteOf } from "../../sites/site.ts";
import type { Value } from "../../ir/value.ts";
import { scalarOf } from "../../ops/constant.ts";
import type { AttentionOp } from "../../ops/op.ts";
import { opaqueAttention } from "../../ops/rows/attention.ts";
import { carriedInputs, has, opOf } from "../../ops/table.ts";
import { weightOf } from "../linear/weight.ts";
import { miss, type Miss } from "../miss.ts";

/**
 * Where attention is seen before it is understood: a Softmax over scores, or an op that is attention by
 * definition. `query`, `key` and `value` are the operands; where one packed value carries all three they are equal.
 */
export interface Anchor {
  readonly kind: "softmax" | "op";
  /** What the table of ops says of the attention op; null for a Softmax. */
  readonly op: AttentionOp | null;
  /** The Softmax, or the attention op. */
  readonly node: Node;
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
  /** What leaves attention towards the output projection. */
  readonly context: Value;
  /** Product of queries and keys; null when the op does it inside. */
  readonly scores: Node | null;
  /** Nodes between the scores and the context, in no order. */
  readonly between: readonly Node[];
}

/** Domains whose ops are known: one of theirs is attention only if the table says so. */
const knownDomains: ReadonlySet<string> = new Set(["", "ai.onnx", "com.microsoft"]);

/**
 * What is known of an op that is attention: one of the table, or an op of an engine's own that a tracer did not look
 * into, which tells by its name and takes q, k and v first.
 */
function attentionOp(node: Node): AttentionOp | null {
  const known = opOf(node).attention;
  if (known !== null || knownDomains.has(node.domain)) return known;
  if (!/attention/i.test(node.opType) || siteOf(node) !== null) return null;
  const operands = [0, 1, 2].map((i) => node.input(i));
  return operands.every((v) => v !== null && weightOf(v) === null) ? opaqueAttention : null;
}

/** What a node says about attention: an anchor, a reason why it is none after all, or null when it has nothing to do with it. */
export function anchorAt(node: Node): Anchor | Miss | null {
  const op = attentionOp(node);
  if (op !== null) return opAnchor(node, op);
  return node.op === "Softmax" ? softmaxAnchor(node) : null;
}

function opAnchor(node: Node, op: AttentionOp): Anchor | Miss {
  const query = node.input(op.query);
  const context = node.output(0);
  if (query === null || context === null) {
    return miss("ATTENTION_SCORES_NOT_FOUND", node, "a query operand and an output", "none");
  }
  // Where all three are packed in the first operand, the others are left out.
  const [key, value] = [node.input(op.key) ?? query, node.input(op.value) ?? query];
  return { kind: "op", op, node, query, key, value, context, scores: null, between: [node] };
}

function softmaxAnchor(node: Node): Anchor | Miss | null {
  const input = node.input(0);
  const above = input === null ? null : findScores(input);
  // A softmax over anything but a product of two activations (a router's, a sampler's) is not attention.
  if (above === null) return null;
  const [query, key] = [above.scores.input(0), above.scores.input(1)];
  const below = findContext(node);
  if (query === null || key === null || below === null) {
    return miss(
      "ATTENTION_VALUES_NOT_FOUND",
      node,
      "a MatMul of the probabilities with the values",
      `readers ${[...(node.output(0)?.users ?? [])].map((n) => n.op).join(", ") || "none"}`,
    );
  }
  return {
    kind: "softmax",
    op: null,
    node,
    query,
    key,
    value: below.value,
    context: below.context,
    scores: above.scores,
    between: [...above.nodes, node, ...below.nodes],
  };
}

interface Above {
  readonly scores: Node;
  readonly nodes: readonly Node[];
}

/** No exporter puts more nodes between the scores and their Softmax, those of the mask included. */
const MOST_BEFORE_SOFTMAX = 256;

/**
 * Walks back from the Softmax over scale, mask, soft cap and sinks to the product of two activations: depth first,
 * each node once.
 */
function findScores(value: Value): Above | null {
  const below = new Map<Node, Node | null>();
  const pending: { readonly node: Node | null; readonly from: Node | null }[] = [
    { node: value.producer, from: null },
  ];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const { node, from } = at;
    if (node === null || below.has(node)) continue;
    if (below.size >= MOST_BEFORE_SOFTMAX) return null;
    below.set(node, from);
    if (has(node, "product")) {
      if (node.inputs.some((v) => v === null || weightOf(v) !== null)) continue;
      const nodes: Node[] = [];
      for (let one: Node | null = node; one !== null; one = below.get(one) ?? null) nodes.push(one);
      return { scores: node, nodes };
    }
    if (!has(node, "view") && !has(node, "scores")) continue;
    for (const input of [...carriedInputs(node)].reverse())
      pending.push({ node: input?.producer ?? null, from: node });
  }
  return null;
}

interface Below {
  readonly value: Value;
  readonly context: Value;
  readonly nodes: readonly Node[];
}

/** Walks on from the probabilities, over guards and casts, to their product with the values. */
function findContext(softmax: Node): Below | null {
  const guards = new Set<Node>();
  // What is added meanwhile is met, too.
  const probabilities = new Set<Value>(softmax.outputs);
  for (const at of probabilities) {
    for (const use of at.uses) {
      if (use.kind !== "input") continue;
      const { node, index } = use;
      if (has(node, "product") && index === 0) {
        const [value, context] = [node.input(1), node.output(0)];
        if (value !== null && context !== null) return { value, context, nodes: [...guards, node] };
      }
      if (isGuard(node, index)) {
        guards.add(node);
        for (const output of node.outputs) probabilities.add(output);
      }
    }
  }
  return null;
}

/** What exporters put between Softmax and the product: views, `Where(IsNaN(p), 0, p)`, Expand, a factor of one. */
function isGuard(node: Node, index: number): boolean {
  if (has(node, "view")) return index === 0;
  if (node.op === "IsNaN" || node.op === "Expand" || node.op === "Slice") return index === 0;
  if (node.op === "Where") return true;
  return node.op === "Mul" && scalarOf(node.input(1 - index)) !== null;
}
