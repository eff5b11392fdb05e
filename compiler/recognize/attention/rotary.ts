import type { Node } from "../../ir/node.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import type { Anchor } from "./anchor.ts";
import { integersOf, scalarOf } from "../../ops/constant.ts";
import { commonSource, sourcesOf, valuesAbove } from "../flow.ts";
import { has, opOf } from "../../ops/table.ts";
import type { GraphIndex } from "../graph-index.ts";

/** Rotary position embedding on queries and keys. */
export interface Rotary {
  /** `rotate_half`: x·cos + rotate(x)·sin in plain ops; `op`: a RotaryEmbedding node; `inside`: the attention op does it. */
  readonly kind: "rotate_half" | "op" | "inside";
  /** Whether only a part of each head is turned. */
  readonly partial: boolean;
  /** Whether neighbours are turned together, as GLM4 and Cohere have it, and not halves. */
  readonly interleaved: boolean;
  readonly cos: Value | null;
  readonly sin: Value | null;
}

/** The rotary embedding between the projections and the anchor; null when there is none that is understood. */
export function recognizeRotary(anchor: Anchor, index: GraphIndex): Rotary | null {
  const inside = insideOp(anchor);
  if (inside !== null) return inside;
  for (const { value, node } of valuesAbove([anchor.query], index)) {
    const found = rotaryOp(node) ?? recognizeTurn(node, index);
    if (found !== null) return { ...found, partial: found.partial || partOfConcat(value) };
  }
  return null;
}

/** The turning of halves or pairs in plain ops that a node ends; null where it ends none that is understood. */
export function recognizeTurn(node: Node, index: GraphIndex): Rotary | null {
  return rotateHalf(node) ?? turnHalves(node, index);
}

/** The attention op turns by its tables: where an attribute says so, or, without one, where it is given any. */
function insideOp({ node, op }: Anchor): Rotary | null {
  const rotary = op?.rotary ?? null;
  if (rotary === null) return null;
  const [cos, sin] = [node.input(rotary.cos), node.input(rotary.sin)];
  const turns = rotary.attribute === null ? cos !== null : node.int(rotary.attribute) === 1;
  const interleaved = node.int("rotary_interleaved") === 1;
  return turns ? { kind: "inside", partial: false, interleaved, cos, sin } : null;
}

function rotaryOp(node: Node): Rotary | null {
  const { rotary } = opOf(node);
  if (rotary === null) return null;
  const partial = (node.int("rotary_embedding_dim") ?? 0) > 0;
  const interleaved = node.int("interleaved") === 1;
  return { kind: "op", partial, interleaved, cos: node.input(rotary.cos), sin: node.input(rotary.sin) };
}

/** `Add(Mul(x, cos), Mul(turned(x), sin))`, operands in any order. */
function rotateHalf(node: Node): Rotary | null {
  if (node.op !== "Add") return null;
  const [left, right] = node.inputs.map((value) => unscaled(value)?.producer);
  if (left?.op !== "Mul" || right?.op !== "Mul") return null;
  for (const [straight, turned] of [
    [left, right],
    [right, left],
  ] as const) {
    const pairs = turned.inputs.map((value) => turnedPair(value));
    const half = pairs.findIndex((pair) => pair !== null);
    const pair = pairs[half];
    if (!pair) continue;
    const along = straight.inputs.findIndex((v) => v !== null && haveSameSource(v, pair.source));
    if (along < 0) continue;
    return {
      kind: "rotate_half",
      partial: false,
      interleaved: pair.interleaved,
      cos: straight.input(1 - along),
      sin: turned.input(1 - half),
    };
  }
  return null;
}

/**
 * `Concat(a·cos - b·sin, b·cos + a·sin)`, a and b being the halves, or stacked: each second feature. Of what a linear
 * has made: tables that are products of complex numbers are computed by the same ops.
 */
function turnHalves(node: Node, index: GraphIndex): Rotary | null {
  const parts = node.op === "Concat" ? node.inputs : [];
  const [real, imaginary] = parts.map((value) => unviewed(value)?.producer);
  if (real?.op !== "Sub" || imaginary?.op !== "Add") return null;
  const [left = [], right = []] = real.inputs.map((v) => halvesIn(v?.producer ?? null));
  // Tables may be halves, too, of tables of their own: what is turned is what both products are halves of.
  const pairs = left.flatMap((a) =>
    right.flatMap((b) =>
      haveSameSource(a.source, b.source) && sourcesOf(a.source, index).linears.size > 0 ? [{ a, b }] : [],
    ),
  );
  const [pair] = pairs;
  if (pairs.length !== 1 || pair === undefined) return null;
  const { a, b } = pair;
  return {
    kind: "rotate_half",
    partial: parts.length > 2,
    interleaved: a.interleaved,
    cos: a.table,
    sin: b.table,
  };
}

/** The factors of a product that are halves of something, each with the other factor. */
function halvesIn(product: Node | null): readonly (Half & { readonly table: Value | null })[] {
  if (product?.op !== "Mul") return [];
  return [0, 1].flatMap((i) => {
    const value = product.input(i);
    const half = value === null ? null : halfOf(value);
    return half === null ? [] : [{ ...half, table: product.input(1 - i) }];
  });
}

/** A value without a factor of one, which exporters of `add(a, b, alpha=1)` leave. */
function unscaled(value: Value | null): Value | null {
  let at = value;
  for (let node = at?.producer; node?.op === "Mul"; node = at?.producer) {
    const one: number = node.inputs.findIndex((v) => scalarOf(v) === 1);
    if (one < 0) return at;
    at = node.input(1 - one);
  }
  return at;
}

/** What a value is a view of; a Transpose stays, since it may be what makes a value what it is. */
function unviewed(value: Value | null): Value | null {
  let at = value;
  while (at?.producer && has(at.producer, "view") && at.producer.op !== "Transpose")
    at = at.producer.input(0);
  return at;
}

interface Pair {
  readonly source: Value;
  readonly interleaved: boolean;
}

/** Of `Concat(-x₂, x₁)`, x₁ and x₂ being two halves or each second feature: what they are of. Null for anything else. */
function turnedPair(value: Value | null): Pair | null {
  const [first, second, ...rest] = joinedBy(unviewed(value)?.producer ?? null).map((part) => unviewed(part));
  const negated = first?.producer ? negatedBy(first.producer) : null;
  if (!negated || !second || rest.length > 0) return null;
  const [upper, lower] = [halfOf(negated), halfOf(second)];
  if (upper === null || lower === null || !haveSameSource(upper.source, lower.source)) return null;
  if (upper.isUpper === false || lower.isUpper === true) return null;
  return { source: upper.source, interleaved: upper.interleaved };
}

function negatedBy(node: Node): Value | null {
  if (node.op === "Neg") return node.input(0);
  const sign = node.op === "Mul" ? node.inputs.findIndex((v) => scalarOf(v) === -1) : -1;
  return sign < 0 ? null : node.input(1 - sign);
}

interface Half extends Pair {
  /** Null where a Slice begins at a place that is computed. */
  readonly isUpper: boolean | null;
}

/** Which half of which value: by Split, Slice, Slice with step 2, or Gather of one of two. */
function halfOf(value: Value): Half | null {
  const at = unviewed(value);
  const node = at?.producer ?? null;
  const source = node?.input(0) ?? null;
  if (at === null || node === null || source === null) return null;
  switch (node.op) {
    case "Split":
      return { source, isUpper: at.index === 1, interleaved: isRegrouped(source) };
    case "Slice": {
      const start = node.ints("starts")?.[0] ?? scalarOf(node.input(1));
      const step = node.ints("steps")?.[0] ?? scalarOf(node.input(4)) ?? 1;
      // Of two features that lie side by side each is taken, which is each second one of all.
      const interleaved = step === 2 || widthOf(source) === 2 || isRegrouped(source);
      return { source, isUpper: start === null ? null : start !== 0, interleaved };
    }
    case "Gather": {
      const index = scalarOf(node.input(1));
      return index === 0 || index === 1 ? { source, isUpper: index === 1, interleaved: true } : null;
    }
    default:
      return null;
  }
}

/** The last dimension of a value, as its type or the Reshape that makes it tells. */
function widthOf({ type, producer }: Value): number | null {
  const width = asTensor(type)?.shape?.at(-1);
  if (typeof width === "number") return width;
  if (producer?.op !== "Reshape") return null;
  const shape = producer.input(1);
  // Of a shape that is put together, its end may be known alone.
  const last = shape?.producer?.op === "Concat" ? (shape.producer.inputs.at(-1) ?? null) : shape;
  return integersOf(last)?.at(-1) ?? null;
}

/**
 * Whether the second features were put behind the first ones, so that the halves are of neighbours: features in pairs
 * `[…, D/2, 2]`, turned to `[…, 2, D/2]`, and in a row again.
 */
function isRegrouped(value: Value): boolean {
  const turned = unviewed(value);
  const node = turned?.producer;
  const perm = node?.op === "Transpose" ? (node.ints("perm") ?? []) : [];
  if (turned === value || perm.length < 2) return false;
  const swapped = perm.map((_, i) => i).toSpliced(-2, 2, perm.length - 1, perm.length - 2);
  const pairs = node?.input(0) ?? null;
  return perm.every((axis, i) => axis === swapped[i]) && pairs !== null && widthOf(pairs) === 2;
}

/** What a node puts together: the inputs of a Concat, or of the sequence that a ConcatFromSequence reads. */
function joinedBy(node: Node | null): readonly (Value | null)[] {
  if (node?.op === "Concat") return node.inputs;
  const sequence = node?.op === "ConcatFromSequence" ? node.input(0)?.producer : null;
  return sequence?.op === "SequenceConstruct" ? sequence.inputs : [];
}

/** Whether two values are views of one. */
function haveSameSource(a: Value, b: Value): boolean {
  return commonSource([a, b]) !== null;
}

/** The turned part joined with a part that was not: `Concat(rotated, rest)`, also behind views of either. */
function partOfConcat(turned: Value): boolean {
  const seen = new Set([turned]);
  // What is added on the way is looked at, too.
  for (const value of seen) {
    for (const user of value.users) {
      if (has(user, "view") && user.input(0) === value) for (const view of user.outputs) seen.add(view);
      if (user.op !== "Concat") continue;
      const others = user.inputs.filter((v) => v !== value).map((v) => unviewed(v)?.producer?.op);
      if (others.some((op) => op === "Slice" || op === "Split")) return true;
    }
  }
  return false;
}
