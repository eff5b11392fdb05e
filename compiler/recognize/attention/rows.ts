import type { Value } from "../../ir/value.ts";
import { has } from "../../ops/table.ts";
import { Elements } from "../symbolic/elements.ts";
import { Polynomial } from "../symbolic/polynomial.ts";
import type { Shapes, ShapesLike, Sizes } from "../symbolic/shapes.ts";

/**
 * Finds where heads lie side by side, `[batch, positions, heads · width]`, as projections make them and take them, for
 * values that have heads in front, `[batch, heads, positions, width]`. Proved element by element, so that it does not
 * matter by which views one becomes the other.
 */
export class HeadRows {
  readonly #like: ShapesLike;
  readonly #shapes: Shapes;

  /** @param like what is known of shapes */
  constructor(like: ShapesLike) {
    this.#like = like;
    this.#shapes = new Elements(like).shapes;
  }

  /** What heads were split of; null where that is not proved. */
  above(value: Value): Value | null {
    const heads = headsOf(this.#shapes.of(value));
    if (heads === null) return null;
    for (let at: Value | null = value; at !== null; at = viewed(at))
      if (this.#isRowOf(at, { read: value, given: at }, heads)) return at;
    return null;
  }

  /** What heads are joined to; null where that is not proved, or something else reads what lies between. */
  below(value: Value): Value | null {
    const heads = headsOf(this.#shapes.of(value));
    if (heads === null) return null;
    for (let at: Value | null = value; at !== null; at = onlyView(at))
      if (this.#isRowOf(at, { read: at, given: value }, heads)) return at;
    return null;
  }

  #isRowOf(rows: Value, { read, given }: Reading, { heads, width }: HeadSizes): boolean {
    const sizes = this.#shapes.of(rows);
    if (sizes?.length !== 3 || sizes[2]?.constant !== heads * width) return false;
    const elements = new Elements(this.#like, {
      ...{ shapes: this.#shapes, given: new Set([given]) },
      extents: new Map([
        [HEAD, heads],
        [FEATURE, width],
      ]),
    });
    const [batch, position] = [Polynomial.symbol("@batch"), Polynomial.symbol("@position")];
    const head = heads === 1 ? Polynomial.ZERO : Polynomial.symbol(HEAD);
    const feature = Polynomial.symbol(FEATURE);
    const asHeads = [batch, head, position, feature];
    const asRows = [batch, position, head.scaled(width).plus(feature)];
    const [from, to] = read === rows ? [asRows, asHeads] : [asHeads, asRows];
    const element = elements.at(read, from);
    if (element.kind !== "element" || element.value !== given) return false;
    const own = this.#shapes.of(given);
    return element.index.every((one, axis) => to[axis]?.equals(one) === true || own?.[axis]?.constant === 1);
  }
}

interface Reading {
  readonly read: Value;
  readonly given: Value;
}

interface HeadSizes {
  readonly heads: number;
  readonly width: number;
}

const [HEAD, FEATURE] = ["@head", "@feature"];

function headsOf(sizes: Sizes | null): HeadSizes | null {
  const [heads, width] = [sizes?.[1]?.constant ?? null, sizes?.[3]?.constant ?? null];
  return sizes?.length !== 4 || heads === null || width === null ? null : { heads, width };
}

function viewed({ producer }: Value): Value | null {
  return producer !== null && isView(producer.op, has(producer, "view")) ? producer.input(0) : null;
}

function onlyView(value: Value): Value | null {
  const [use, ...more] = [...value.uses];
  if (use?.kind !== "input" || use.index !== 0 || more.length > 0) return null;
  return isView(use.node.op, has(use.node, "view")) ? use.node.output(0) : null;
}

function isView(op: string, is: boolean): boolean {
  return is || op === "Identity";
}
