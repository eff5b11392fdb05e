import type { Value } from "../../ir/value.ts";
import type { Elements } from "../symbolic/elements.ts";
import { Polynomial } from "../symbolic/polynomial.ts";
import { Products } from "../symbolic/products.ts";
import type { Shapes, Sizes } from "../symbolic/shapes.ts";

/** How features that belong together lie: in two halves, or side by side. */
export type Layout = "halves" | "pairs";

/** What two features that belong together are multiplied by. */
export interface RotaryFactors {
  readonly cos: Polynomial;
  readonly sin: Polynomial;
}

/** Symbols of an index: along the first three axes, and along the last. */
const AXES = ["@batch", "@first", "@second"];
const FEATURE = "@feature";

/** Reads values of four axes by the elements of one of the same shape. */
export class RotaryReading {
  readonly shapes: Shapes;
  readonly sizes: Sizes;
  readonly #of: Value;
  readonly #count: number;
  readonly #products: Products;

  /**
   * @param of what elements are looked no further than
   * @param sizes its shape
   * @param count how many features are read alike
   */
  constructor(shapes: Shapes, elements: Elements, of: Value, sizes: Sizes, count: number) {
    this.shapes = shapes;
    this.sizes = sizes;
    this.#of = of;
    this.#count = count;
    const extents = new Map([[FEATURE, count]]);
    AXES.forEach((symbol, axis) => {
      const size = sizes[axis]?.constant ?? null;
      if (size !== null) extents.set(symbol, size);
    });
    const given = new Set([of]);
    this.#products = new Products(shapes, (value, index) => elements.at(value, index), { given, extents });
  }

  /** The index along an axis. */
  place(axis: number): Polynomial {
    const isOne = this.sizes[axis]?.constant === 1;
    return isOne ? Polynomial.ZERO : Polynomial.symbol(AXES[axis] ?? FEATURE);
  }

  /** The first, or second, of two features that belong together. */
  feature(layout: Layout, which: 0 | 1): Polynomial {
    const i = this.#count === 1 ? Polynomial.ZERO : Polynomial.symbol(FEATURE);
    if (layout === "pairs") return i.scaled(2).plus(Polynomial.of(which));
    return i.plus(Polynomial.of(which * this.#count));
  }

  /** An element of a value at an index. */
  at(value: Value, index: readonly Polynomial[]): Polynomial | null {
    return this.#products.at(value, index);
  }

  /** The factors by which a value is the rotation of what is read; null where it is anything else. */
  factors(output: Value, from: Layout, to: Layout): RotaryFactors | null {
    const [a, b] = [this.#symbol(this.feature(from, 0)), this.#symbol(this.feature(from, 1))];
    const both = new Set([a, b]);
    const [first, second] = ([0, 1] as const).map((which) =>
      this.at(output, this.#index(this.feature(to, which)))?.factors(both),
    );
    const [cos, sin] = [first?.get(a), second?.get(a)];
    if (!cos || !sin || second?.get(b)?.equals(cos) !== true) return null;
    return first?.get(b)?.equals(sin.scaled(-1)) === true ? { cos, sin } : null;
  }

  /** Whether features of a value, from one on, are those in the same places of what is read. */
  isSame(value: Value, from: number): boolean {
    const place = this.feature("halves", 0).plus(Polynomial.of(from));
    const found = this.at(value, this.#index(place));
    return found?.equals(Polynomial.symbol(this.#symbol(place))) === true;
  }

  #index(feature: Polynomial): readonly Polynomial[] {
    return [this.place(0), this.place(1), this.place(2), feature];
  }

  #symbol(feature: Polynomial): string {
    return this.#products.symbol(this.#of, this.#index(feature));
  }
}
