import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Anchor } from "./anchor.ts";
import { constantOf, scalarOf } from "../../ops/constant.ts";
import { has, opOf } from "../../ops/table.ts";
import type { GraphIndex } from "../graph-index.ts";

/** Rotary position embedding on queries and keys. */
export interface Rotary {
  /** `rotate_half`: x·cos + rotate(x)·sin in plain ops; `op`: a RotaryEmbedding node; `inside`: the attention op does it. */
  readonly kind: "rotate_half" | "op" | "inside";
  /** Whether only a part of each head is turned. */
  readonly partial: boolean;
  readonly cos: Value | null;
  readonly sin: Value | null;
}

/** The rotary embedding between the projections and the anchor; null when there is none that is understood. */
export function recognizeRotary(anchor: Anchor, index: GraphIndex): Rotary | null {
  const inside = insideOp(anchor);
  if (inside !== null) return inside;
  const seen = new Set<Node>();
  const pending: Value[] = [anchor.query];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    const node = at.producer;
    if (node?.graph !== index.graph || seen.has(node) || index.linearOf(node) !== null) continue;
    seen.add(node);
    const found = rotaryOp(node) ?? rotateHalf(node) ?? turnHalves(node);
    if (found !== null) return { ...found, partial: found.partial || partOfConcat(at) };
    for (const input of node.inputs) if (input !== null && constantOf(input) === null) pending.push(input);
  }
  return null;
}

/** The attention op turns by its tables: where an attribute says so, or, without one, where it is given any. */
function insideOp({ node, op }: Anchor): Rotary | null {
  const rotary = op?.rotary ?? null;
  if (rotary === null) return null;
  const [cos, sin] = [node.input(rotary.cos), node.input(rotary.sin)];
  const turns = rotary.attribute === null ? cos !== null : node.int(rotary.attribute) === 1;
  return turns ? { kind: "inside", partial: false, cos, sin } : null;
}

function rotaryOp(node: Node): Rotary | null {
  const { rotary } = opOf(node);
  if (rotary === null) return null;
  const partial = (node.int("rotary_embedding_dim") ?? 0) > 0;
  return { kind: "op", partial, cos: node.input(rotary.cos), sin: node.input(rotary.sin) };
}

/** `Add(Mul(x, cos), Mul(Concat(Neg(x₂), x₁), sin))`, operands in any order. */
function rotateHalf(node: Node): Rotary | null {
  if (node.op !== "Add") return null;
  const [left, right] = node.inputs.map((value) => unscaled(value)?.producer);
  if (left?.op !== "Mul" || right?.op !== "Mul") return null;
  for (const [straight, turned] of [
    [left, right],
    [right, left],
  ] as const) {
    const half = turned.inputs.findIndex((v) => v !== null && turnedSource(v) !== null);
    const source = turnedSource(turned.input(half));
    const along = straight.inputs.findIndex((v) => v !== null && source !== null && sameSource(v, source));
    if (source === null || along < 0) continue;
    return {
      kind: "rotate_half",
      partial: false,
      cos: straight.input(1 - along),
      sin: turned.input(1 - half),
    };
  }
  return null;
}

/** `Concat(a·cos - b·sin, b·cos + a·sin)`, a and b being the halves. */
function turnHalves(node: Node): Rotary | null {
  const [real, imaginary] = node.op === "Concat" ? node.inputs.map((v) => v?.producer) : [];
  if (real?.op !== "Sub" || imaginary?.op !== "Add") return null;
  const [cos, sin] = real.inputs.map((v) => tableOf(v?.producer ?? null));
  return cos && sin ? { kind: "rotate_half", partial: node.inputs.length > 2, cos, sin } : null;
}

/** The factor of a half that is no half itself. */
function tableOf(product: Node | null): Value | null {
  if (product?.op !== "Mul") return null;
  const isHalf = (v: Value | null): boolean => v?.producer?.op === "Split" || v?.producer?.op === "Slice";
  const tables = product.inputs.filter((v) => !isHalf(v));
  return tables.length === 1 ? (tables[0] ?? null) : null;
}

/** A value without a factor of one, which exporters of `add(a, b, alpha=1)` leave. */
function unscaled(value: Value | null): Value | null {
  const node = value?.producer;
  if (node?.op !== "Mul") return value;
  const one = node.inputs.findIndex((v) => scalarOf(v) === 1);
  return one < 0 ? value : unscaled(node.input(1 - one));
}

/** The value x of `Concat(-x₂, x₁)` with x₁ and x₂ its lower and upper half, or null for anything else. */
function turnedSource(value: Value | null): Value | null {
  const [first, second, ...rest] = joinedBy(value?.producer ?? null);
  const negated = first?.producer?.op === "Neg" ? first.producer.input(0) : null;
  if (!negated || !second || rest.length > 0) return null;
  const [upper, lower] = [halfOf(negated), halfOf(second)];
  const fits =
    upper !== null && upper.source === lower?.source && upper.isUpper !== false && lower.isUpper !== true;
  return fits ? upper.source : null;
}

/** Which half of which value; `isUpper` is null where a Slice begins at a place that is computed. */
function halfOf(value: Value): { readonly source: Value; readonly isUpper: boolean | null } | null {
  const node = value.producer;
  const source = node?.input(0) ?? null;
  if (node === null || source === null) return null;
  if (node.op === "Split") return { source, isUpper: value.index === 1 };
  if (node.op !== "Slice") return null;
  const start = node.ints("starts")?.[0] ?? scalarOf(node.input(1));
  return { source, isUpper: start === null ? null : start !== 0 };
}

/** What a node puts together: the inputs of a Concat, or of the sequence that a ConcatFromSequence reads. */
function joinedBy(node: Node | null): readonly (Value | null)[] {
  if (node?.op === "Concat") return node.inputs;
  const sequence = node?.op === "ConcatFromSequence" ? node.input(0)?.producer : null;
  return sequence?.op === "SequenceConstruct" ? sequence.inputs : [];
}

function sameSource(a: Value, b: Value): boolean {
  return a === b || (a.producer !== null && has(a.producer, "view") && a.producer.input(0) === b);
}

/** The turned part joined with a part that was not: `Concat(rotated, rest)`. */
function partOfConcat(turned: Value): boolean {
  for (const user of turned.users) {
    if (user.op !== "Concat") continue;
    const others = user.inputs.filter((v) => v !== turned);
    if (others.some((v) => v?.producer?.op === "Slice" || v?.producer?.op === "Split")) return true;
  }
  return false;
}
