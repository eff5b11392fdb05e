import type { Node } from "../../ir/node.ts";
import { siteOf, TFC_DOMAIN } from "../../sites/site.ts";
import type { Value } from "../../ir/value.ts";
import { scalarOf } from "../../ops/constant.ts";
import { views } from "../flow.ts";
import { weightOf } from "../linear/weight.ts";
import { miss, type Miss } from "../miss.ts";

/**
 * Where attention is seen before it is understood: a Softmax over scores, or an op that is attention by
 * definition. `query`, `key` and `value` are the operands; where one packed value carries all three they are equal.
 */
export interface Anchor {
  readonly kind: "softmax" | "op";
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

/** Attention by definition: op type to the indices of query, key and value. */
const attentionOps: Readonly<Record<string, readonly [number, number, number]>> = {
  Attention: [0, 1, 2],
  "com.microsoft::GroupQueryAttention": [0, 1, 2],
  "com.microsoft::MultiHeadAttention": [0, 1, 2],
  "com.microsoft::PagedAttention": [0, 1, 2],
};

/** Domains whose ops are known: one of theirs is attention only if the table says so. */
const knownDomains: ReadonlySet<string> = new Set(["", "ai.onnx", "com.microsoft"]);

/**
 * The operands of an op that is attention: one of the table, paged attention as lower-paged-attention writes it, or
 * an op of an engine's own that a tracer did not look into, which tells by its name and takes q, k and v first.
 */
function attentionOperands(node: Node): readonly [number, number, number] | undefined {
  const known = attentionOps[node.op];
  if (known !== undefined) return known;
  if (knownDomains.has(node.domain) || !/attention/i.test(node.opType) || siteOf(node) !== null)
    return undefined;
  if (node.domain === TFC_DOMAIN && /^PagedAttention(_\d+)?$/.test(node.opType)) return [0, 1, 2];
  const operands = [0, 1, 2].map((i) => node.input(i));
  return operands.every((v) => v !== null && weightOf(v) === null) ? [0, 1, 2] : undefined;
}

const products: ReadonlySet<string> = new Set(["MatMul", "com.microsoft::FusedMatMul"]);

/** What a node says about attention: an anchor, a reason why it is none after all, or null when it has nothing to do with it. */
export function anchorAt(node: Node): Anchor | Miss | null {
  const operands = attentionOperands(node);
  if (operands !== undefined) return opAnchor(node, operands);
  return node.op === "Softmax" ? softmaxAnchor(node) : null;
}

function opAnchor(node: Node, [q, k, v]: readonly [number, number, number]): Anchor | Miss {
  const query = node.input(q);
  const context = node.output(0);
  if (query === null || context === null) {
    return miss("ATTENTION_SCORES_NOT_FOUND", node, "a query operand and an output", "none");
  }
  // GroupQueryAttention and MultiHeadAttention take q, k and v packed in the first operand.
  const [key, value] = [node.input(k) ?? query, node.input(v) ?? query];
  return { kind: "op", node, query, key, value, context, scores: null, between: [node] };
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

/** Ops between the scores and the Softmax: the operands that may carry the scores. */
const towardsSoftmax: Readonly<Record<string, (node: Node) => readonly (Value | null)[]>> = {
  Add: (n) => [n.input(0), n.input(1)], // mask
  Sub: (n) => [n.input(0)],
  Where: (n) => [n.input(1), n.input(2)], // mask
  Mul: (n) => [n.input(0), n.input(1)], // scale
  Div: (n) => [n.input(0)], // scale
  Tanh: (n) => [n.input(0)], // soft cap
  Clip: (n) => [n.input(0)],
  Max: (n) => [n.input(0), n.input(1)],
  Expand: (n) => [n.input(0)],
};

/** Walks back from the Softmax to the product of two activations. */
function findScores(value: Value): Above | null {
  const node = value.producer;
  if (node === null) return null;
  if (products.has(node.op)) {
    const activations = node.inputs.every((v) => v !== null && weightOf(v) === null);
    return activations ? { scores: node, nodes: [node] } : null;
  }
  const operands = views.has(node.op) ? [node.input(0)] : (towardsSoftmax[node.op]?.(node) ?? []);
  for (const operand of operands) {
    const found = operand === null ? null : findScores(operand);
    if (found !== null) return { scores: found.scores, nodes: [...found.nodes, node] };
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
  const seen: Node[] = [];
  const pending: Value[] = [...softmax.outputs];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    for (const use of at.uses) {
      if (use.kind !== "input") continue;
      const { node, index } = use;
      if (products.has(node.op) && index === 0) {
        const [value, context] = [node.input(1), node.output(0)];
        if (value !== null && context !== null) return { value, context, nodes: [...seen, node] };
      }
      if (isGuard(node, index)) {
        seen.push(node);
        pending.push(...node.outputs);
      }
    }
  }
  return null;
}

/** What exporters put between Softmax and the product: views, `Where(IsNaN(p), 0, p)`, Expand, a factor of one. */
function isGuard(node: Node, index: number): boolean {
  if (views.has(node.op)) return index === 0;
  if (node.op === "IsNaN" || node.op === "Expand" || node.op === "Slice") return index === 0;
  if (node.op === "Where") return true;
  return node.op === "Mul" && scalarOf(node.input(1 - index)) !== null;
}
