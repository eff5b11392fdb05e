import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { scalarOf } from "../../ops/constant.ts";
import { has } from "../../ops/table.ts";
import { Elements } from "../symbolic/elements.ts";
import { Polynomial } from "../symbolic/polynomial.ts";
import type { Shapes, ShapesLike } from "../symbolic/shapes.ts";
import { cutsSinks, sinksAt, withoutLargest } from "./exact-sinks.ts";
import type { Anchor } from "./anchor.ts";
import { recognizeSinks } from "./sinks.ts";

/**
 * Attention as one op computes it: `softmax(cap(scale · query · keyᵀ) + mask) · value`, cap being `c · tanh(x / c)`. Each
 * head of keys and values serves as many query heads that follow each other.
 */
export interface ExactAttention {
  /** `[batch, heads, queries, width]` */
  readonly query: Value;
  /** `[batch, kv heads, positions, width]` */
  readonly key: Value;
  /** `[batch, kv heads, positions, width of values]` */
  readonly value: Value;
  readonly scale: number;
  readonly softcap: number | null;
  readonly mask: ExactMask | null;
  /** A parameter of as many scores as heads, which take part in the Softmax and in nothing else; null without. */
  readonly sinks: Value | null;
  /** Whether the softmax is made in a wider type than the scores. */
  readonly isWide: boolean;
  /** `[batch, heads, queries, width of values]` */
  readonly context: Value;
}

/** `add`: added to the scores; `show`, `hide`: true where a position is seen, or hidden. Broadcast to the scores. */
export interface ExactMask {
  readonly value: Value;
  readonly kind: "add" | "show" | "hide";
}

/** Why attention in plain ops is not what one op computes. */
export interface Inexact {
  readonly why: string;
}

/** Proves that plain ops between queries, keys and values are attention and nothing else. */
export class AttentionProver {
  readonly #like: ShapesLike;
  readonly #elements: Elements;
  readonly #shapes: Shapes;

  /** @param like what is known of shapes */
  constructor(like: ShapesLike) {
    this.#like = like;
    this.#elements = new Elements(like);
    this.#shapes = this.#elements.shapes;
  }

  prove(anchor: Anchor): ExactAttention | Inexact {
    const { scores, node: softmax } = anchor;
    if (scores === null) return { why: "it is one op already" };
    const sizes = this.#shapes.of(scores.output(0));
    if (sizes?.length !== 4) return { why: `the shape of ${nameOf(scores)} is not understood` };
    const steps = stepsAbove(anchor, scores, softmax, this.#elements);
    if ("why" in steps) return steps;
    const below = stepsBelow(softmax, anchor.context, steps.sinks !== null);
    if (below !== null) return below;
    const sinks = steps.sinks === null ? null : this.#perHead(steps.sinks);
    if (sinks !== null && "why" in sinks) return sinks;
    const query = withoutFactor(anchor.query, this.#elements);
    if (this.#shapes.of(query.value)?.length !== 4)
      return { why: `the shape of the queries of ${nameOf(scores)} is not understood` };
    if ((scores.int("transA") ?? 0) === 1) return { why: `${nameOf(scores)} transposes the queries` };
    const isTransposed = (scores.int("transB") ?? 0) === 1;
    const heads = sizes[1]?.constant ?? null;
    const key = this.#sourceOf(anchor.key, isTransposed ? KEYS : KEYS_TRANSPOSED, heads);
    if ("why" in key) return key;
    const value = this.#sourceOf(anchor.value, VALUES, heads);
    if ("why" in value) return value;
    if (value.factor !== 1) return { why: `values are multiplied by ${value.factor}` };
    const scale = steps.scale * (scores.float("alpha") ?? 1) * query.factor * key.factor;
    return {
      ...{ query: query.value, key: key.value, value: value.value, context: anchor.context },
      ...{ scale, softcap: steps.softcap, mask: steps.mask, sinks, isWide: steps.isWide },
    };
  }

  /** The parameter that scores beside all others, `[·, heads, ·, 1]`, are: one for each head. */
  #perHead(scores: Value): Value | Inexact {
    const why = `the scores "${scores.name ?? ""}" beside the others are not proved to be one for each head`;
    const heads = this.#shapes.of(scores)?.[1]?.constant ?? null;
    const index = [symbol("@batch"), symbol("@head"), symbol("@position"), Polynomial.ZERO];
    const element = this.#elements.at(scores, index);
    if (element.kind !== "element" || element.value.constant?.size !== heads) return { why };
    const along = element.index.filter((one) => one.constant !== 0);
    return along.length === 1 && along[0]?.key === "@head" ? element.value : { why };
  }

  /**
   * The value `[batch, kv heads, positions, width]` that an operand repeats for groups of query heads: the one furthest up
   * of which that is proved, element by element, so that every way to repeat heads and to transpose is understood.
   */
  #sourceOf(operand: Value, layout: Layout, heads: number | null): Scaled | Inexact {
    let found: Scaled | null = null;
    let at: Scaled | null = { value: operand, factor: 1 };
    for (let steps = 0; at !== null && steps < MOST_STEPS; steps++) {
      if (this.#isSource(operand, at.value, layout, heads)) found = at;
      at = above(at, this.#elements);
    }
    return found ?? { why: `where the heads of "${operand.name ?? ""}" come from is not proved` };
  }

  #isSource(operand: Value, source: Value, layout: Layout, heads: number | null): boolean {
    const sizes = this.#shapes.of(source);
    const kvHeads = sizes?.[1]?.constant ?? null;
    if (sizes?.length !== 4 || heads === null || kvHeads === null || heads % kvHeads !== 0) return false;
    const elements = new Elements(this.#like, {
      ...{ shapes: this.#shapes, given: new Set([source]), ignoresScale: true },
      extents: new Map([
        [GROUP, kvHeads],
        [MEMBER, heads / kvHeads],
      ]),
    });
    const [batch, position, feature] = [symbol("@batch"), symbol("@position"), symbol("@feature")];
    const group = kvHeads === 1 ? Polynomial.ZERO : symbol(GROUP);
    const head = heads === kvHeads ? group : group.scaled(heads / kvHeads).plus(symbol(MEMBER));
    const element = elements.at(operand, layout({ batch, head, position, feature }));
    if (element.kind !== "element" || element.value !== source) return false;
    const wanted = [batch, group, position, feature];
    return element.index.every((one, axis) => {
      const expected = wanted[axis];
      return expected !== undefined && (one.equals(expected) || sizes[axis]?.constant === 1);
    });
  }
}

/** Which head of keys and values, and which of the query heads that share it. */
const [GROUP, MEMBER] = ["@group", "@member"];

interface Above {
  readonly scale: number;
  readonly softcap: number | null;
  readonly mask: ExactMask | null;
  readonly sinks: Value | null;
  readonly isWide: boolean;
}

/** Scores this low are nothing beside others after a Softmax. */
const HIDDEN = -1e4;

/** Follows the scores to the Softmax, where each step must be one that attention ops have, in their order. */
function stepsAbove(anchor: Anchor, scores: Node, softmax: Node, elements: Elements): Above | Inexact {
  const { between } = anchor;
  const path = new Set(between);
  let found: Above = { scale: 1, softcap: null, mask: null, sinks: null, isWide: false };
  // Behind Tanh the cap is 1 until something multiplies it.
  let cap: "none" | "one" | "set" = "none";
  let at = scores.output(0);
  for (let steps = 0; at !== null && steps < between.length; steps++) {
    const shifted = withoutLargest(at);
    if (shifted !== null) {
      at = shifted;
      continue;
    }
    const readers: readonly Node[] = [...at.users].filter((node) => path.has(node));
    const [node, ...more] = readers;
    if (node === undefined || more.length > 0) return { why: `${nameOf(scores)} is read in several ways` };
    if (node === softmax)
      return isLastAxis(softmax) ? found : { why: `${nameOf(softmax)} is not along positions` };
    const scaled = elements.scaledOperand(node);
    const own: Value = at;
    const mask = maskAt(node, own);
    const sinks = sinksAt(node, own);
    if (found.sinks !== null && node.op !== "Cast" && node.op !== "Identity")
      return { why: `${nameOf(node)} stands between scores with sinks and Softmax` };
    if (sinks !== null) {
      found = { ...found, sinks };
    } else if (scaled !== null && found.mask === null) {
      if (cap === "one") {
        cap = "set";
        found = { ...found, softcap: scaled.factor, scale: found.scale * scaled.factor };
      } else if (cap === "set") return { why: `${nameOf(node)} scales what is capped` };
      else found = { ...found, scale: found.scale * scaled.factor };
    } else if (node.op === "Tanh" && cap === "none" && found.mask === null) {
      cap = "one";
      found = { ...found, softcap: 1 };
    } else if (mask !== null && found.mask === null) {
      found = { ...found, mask };
    } else if (node.op === "Cast") {
      found = { ...found, isWide: true };
    } else if (node.op === "Concat" && recognizeSinks(anchor) !== null) {
      return { why: `${nameOf(node)} joins sinks with the scores, and it is not proved what they do` };
    } else if (node.op !== "Identity") {
      return { why: `${nameOf(node)} stands between scores and Softmax` };
    }
    at = node.output(0);
  }
  return { why: `the way from ${nameOf(scores)} to ${nameOf(softmax)} is not understood` };
}

function maskAt(node: Node, scores: Value): ExactMask | null {
  const [first, second, third] = [node.input(0), node.input(1), node.input(2)];
  if (node.op === "Add") {
    const other = first === scores ? second : first;
    return other === null ? null : { value: other, kind: "add" };
  }
  if (node.op !== "Where" || first === null) return null;
  const [shown, hidden] = second === scores ? ([true, third] as const) : ([false, second] as const);
  const low = scalarOf(hidden);
  return low !== null && low <= HIDDEN ? { value: first, kind: shown ? "show" : "hide" } : null;
}

function isLastAxis(softmax: Node): boolean {
  const axis = softmax.int("axis") ?? -1;
  return axis === -1 || axis === 3;
}

/** Between the Softmax and the context nothing may be but casts and what keeps rows without positions from being NaN. */
function stepsBelow(softmax: Node, context: Value, hasSinks: boolean): Inexact | null {
  let isCut = !hasSinks;
  let at = softmax.output(0);
  for (let steps = 0; at !== null && steps < 8; steps++) {
    const readers: readonly Node[] = [...at.users].filter((node) => node.op !== "IsNaN");
    const [node, ...more] = readers;
    if (node === undefined || more.length > 0) return { why: `${nameOf(softmax)} is read in several ways` };
    if (node === context.producer)
      return isCut ? null : { why: `${nameOf(softmax)} keeps the probabilities of sinks` };
    if (!isCut && cutsSinks(node)) {
      isCut = true;
      at = node.output(0);
      continue;
    }
    const isGuard =
      node.op === "Where" && node.input(0)?.producer?.op === "IsNaN" && scalarOf(node.input(1)) === 0;
    if (node.op !== "Cast" && node.op !== "Identity" && !isGuard)
      return { why: `${nameOf(node)} stands between Softmax and values` };
    at = node.output(0);
  }
  return { why: `the way from ${nameOf(softmax)} to the values is not understood` };
}

/** A value and the constant number it is multiplied by. */
interface Scaled {
  readonly value: Value;
  readonly factor: number;
}

function withoutFactor(value: Value, elements: Elements): Scaled {
  let found: Scaled = { value, factor: 1 };
  for (let steps = 0; steps < 8; steps++) {
    const node = found.value.producer;
    const scaled = node === null ? null : elements.scaledOperand(node);
    const inner = scaled === null ? null : (node?.input(scaled.operand) ?? null);
    if (scaled === null || inner === null) return found;
    found = { value: inner, factor: found.factor * scaled.factor };
  }
  return found;
}

/** Which axes of an operand are which: of the element asked for, and of what it must be in the source. */
type Layout = (
  index: Readonly<Record<"batch" | "head" | "position" | "feature", Polynomial>>,
) => readonly Polynomial[];

const KEYS: Layout = ({ batch, head, position, feature }) => [batch, head, position, feature];
const KEYS_TRANSPOSED: Layout = ({ batch, head, position, feature }) => [batch, head, feature, position];
const VALUES = KEYS;

/** No exporter puts more between what a cache holds and the product. */
const MOST_STEPS = 32;

/** What a value is a view, a repetition or a multiple of. */
function above({ value, factor }: Scaled, elements: Elements): Scaled | null {
  const node = value.producer;
  if (node === null) return null;
  const scaled = elements.scaledOperand(node);
  const isMoved = has(node, "view") || ["Expand", "Identity", "Slice"].includes(node.op);
  const next = scaled !== null ? node.input(scaled.operand) : isMoved ? node.input(0) : null;
  return next === null ? null : { value: next, factor: factor * (scaled?.factor ?? 1) };
}

function symbol(name: string): Polynomial {
  return Polynomial.symbol(name);
}

function nameOf(node: Node): string {
  return `${node.op} "${node.name ?? node.output(0)?.name ?? ""}"`;
}
