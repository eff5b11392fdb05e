import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import type { Mask } from "./mask.ts";
import { Elements } from "../symbolic/elements.ts";
import {
  and,
  keyOf,
  not,
  or,
  truth,
  unknown,
  type Condition,
  type Expression,
} from "../symbolic/expression.ts";
import { Polynomial } from "../symbolic/polynomial.ts";
import type { ShapesLike } from "../symbolic/shapes.ts";

/**
 * Which positions a query sees, as far as the mask's own graph proves it. A query at index i stands at position i plus the
 * number of earlier tokens.
 */
export interface Visibility {
  /** Whether no query sees a later position. */
  readonly causal: boolean;
  /** How many positions a query sees, its own included; null for all. */
  readonly window: number | null;
  /** `[batch, positions]`, not zero where a position may be seen; null where all may. */
  readonly padding: Value | null;
  /** What else the mask depends on, in words, or null where the rest of it says everything. */
  readonly unproved: string | null;
}

const QUERY = "query";
const KEY = "key";
const BATCH = "batch";
const HEAD = "head";

/** What conditions on positions are read by. */
interface Band {
  /** How many tokens came before, in each way that a graph writes it. */
  readonly offsets: readonly Polynomial[];
  readonly isSingle: boolean;
}

/** A mask that hides nothing. */
export const OPEN: Visibility = { causal: false, window: null, padding: null, unproved: null };

/** Scores this low are nothing beside others after a Softmax. */
const HIDDEN = -1e4;

/** Reads masks of one graph, each once: most layers have one mask together. */
export class MaskReader {
  readonly #elements: Elements;
  readonly #known = new Map<Value, Map<string, Visibility>>();

  /** @param like what is known of shapes */
  constructor(like: ShapesLike) {
    this.#elements = new Elements(like);
  }

  /**
   * What a block sees.
   *
   * @param pasts the caches, along whose last axis but one the earlier tokens lie, as many in all; none for a block
   *   without one
   * @param isSingle whether it takes one new token a row, no more: that is the last position, and no other is later
   */
  read(mask: Mask, pasts: readonly Value[], isSingle: boolean): Visibility {
    const { kind, source, hides, causal, window } = mask;
    const own: Visibility = { ...OPEN, causal: causal || isSingle, window };
    if (kind === "none" || kind === "causal" || source === null) return own;
    const band: Band = { offsets: this.#offsets(pasts), isSingle };
    const key = [kind, hides, isSingle, ...band.offsets.map((offset) => offset.key)].join(" ");
    let all = this.#known.get(source);
    if (all === undefined) this.#known.set(source, (all = new Map<string, Visibility>()));
    let seen = all.get(key);
    if (seen === undefined) all.set(key, (seen = this.#find(source, hides, band)));
    return both(own, seen);
  }

  #find(source: Value, hides: boolean, band: Band): Visibility {
    const sizes = this.#elements.shapes.of(source);
    if (sizes === null || sizes.length < 2 || sizes.length > 4)
      return { ...OPEN, unproved: `${nameOf(source)}, whose shape is not understood` };
    const axes = [BATCH, HEAD, QUERY, KEY].slice(-sizes.length);
    const index = sizes.map((size, axis) =>
      size.constant === 1 ? Polynomial.ZERO : Polynomial.symbol(axes[axis] ?? ""),
    );
    const seen = seenWhere(this.#elements.at(source, index));
    return visibilityOf(hides ? not(seen) : seen, band);
  }

  #offsets(pasts: readonly Value[]): readonly Polynomial[] {
    if (pasts.length === 0) return [Polynomial.ZERO];
    const sizes = pasts.flatMap((past) => this.#elements.shapes.of(past)?.at(-2) ?? []);
    return [...new Map(sizes.map((size) => [size.key, size])).values()];
  }
}

/** What two masks leave together. */
function both(a: Visibility, b: Visibility): Visibility {
  const windows = [a.window, b.window].filter((window) => window !== null);
  return {
    causal: a.causal || b.causal,
    window: windows.length === 0 ? null : Math.min(...windows),
    padding: a.padding ?? b.padding,
    unproved: a.unproved ?? b.unproved,
  };
}

/** Where a position is seen: where a truth value is true, and where an addend is zero. */
function seenWhere(element: Expression): Condition {
  switch (element.kind) {
    case "choose":
      return or([
        and([element.condition, seenWhere(element.then)]),
        and([not(element.condition), seenWhere(element.otherwise)]),
      ]);
    case "integer":
    case "number": {
      const value = element.kind === "number" ? element.value : element.value.constant;
      if (value === 0) return truth(true);
      if (value !== null && value <= HIDDEN) return truth(false);
      return unknown(`an addend of ${keyOf(element)}`);
    }
    case "element":
      return asTensor(element.value.type)?.dtype === "bool"
        ? { kind: "isTrue", of: element }
        : unknown(`numbers of ${nameOf(element.value)}`);
    default:
      return element;
  }
}

/** What a condition says, part by part. */
function visibilityOf(seen: Condition, band: Band): Visibility {
  return (seen.kind === "and" ? seen.of : [seen]).reduce<Visibility>(
    (all, one) => ({ ...all, ...meaningOf(one, band, all) }),
    OPEN,
  );
}

/** What one condition that must hold says. */
function meaningOf(one: Condition, from: Band, known: Visibility): Partial<Visibility> {
  if (one.kind === "truth" && one.value) return {};
  if (one.kind === "atMost") {
    const band = bandOf(one.value, from);
    if (band === "causal") return { causal: true };
    if (band !== null) return { window: Math.min(band, known.window ?? band) };
  }
  if (one.kind === "isTrue") {
    const { value, index } = one.of;
    const isOneRow = asTensor(value.type)?.shape?.[0] === 1 && index[0]?.constant === 0;
    const isPadding = index.length === 2 && (index[0]?.key === BATCH || isOneRow) && index[1]?.key === KEY;
    if (isPadding && (known.padding ?? value) === value) return { padding: value };
  }
  return { unproved: one.kind === "unknown" ? one.why : keyOf(one) };
}

/**
 * What `p ≤ 0` says of a query and a position: `position - query - past` that later ones are hidden, and
 * `query + past - position - (w - 1)` that no more than w are seen. Null for anything else.
 */
function bandOf(p: Polynomial, { offsets, isSingle }: Band): "causal" | number | null {
  const [query, key] = [p.coefficient(QUERY), p.coefficient(KEY)];
  const rest = p.without(QUERY).without(KEY);
  // Of one query the index is 0, and cannot be read off.
  if (query !== (isSingle ? 0 : -key)) return null;
  if (key === 1) return offsets.some((past) => rest.plus(past).constant === 0) ? "causal" : null;
  if (key !== -1) return null;
  const beyond = offsets.map((past) => rest.minus(past).constant).find((constant) => constant !== null);
  return beyond !== undefined && beyond <= 0 ? 1 - beyond : null;
}

function nameOf(value: Value): string {
  return JSON.stringify(value.name ?? "");
}
