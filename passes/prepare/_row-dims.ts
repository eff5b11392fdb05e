import type { Dim } from "../../compiler/ir/type.ts";
import { Polynomial } from "../../compiler/recognize/symbolic/polynomial.ts";

/** Names, numbers and signs of a dimension that exporters compute: `2*batch_size*sequence_length`, `past + 1`. */
const PARTS = /[A-Za-z_][\w.]*|\d+|\S/g;

/** Whether a dimension is one of some symbols, or is computed of one. */
export function mentions(dim: Dim, symbols: ReadonlySet<string>): boolean {
  return typeof dim === "string" && (symbols.has(dim) || partsOf(dim).some((part) => symbols.has(part)));
}

/**
 * A dimension with a number for some symbols in it. One that is computed of them otherwise than by sums and products is
 * unknown then: a name would promise what nobody has computed.
 */
export function withNumber(dim: Dim, symbols: ReadonlySet<string>, number: number): Dim {
  if (typeof dim !== "string" || !mentions(dim, symbols)) return dim;
  if (symbols.has(dim)) return number;
  const read = new Reader(partsOf(dim), (name) =>
    symbols.has(name) ? Polynomial.of(number) : Polynomial.symbol(name),
  );
  const size = read.all();
  return size === null ? null : (size.constant ?? textOf(size, dim));
}

function partsOf(dim: string): readonly string[] {
  return dim.match(PARTS) ?? [];
}

/** As the exporter writes it: `2*s70`, or with spaces round the sign. */
function textOf(size: Polynomial, like: string): string {
  const times = like.includes(" * ") ? " * " : "*";
  const [first = "", ...rest] = size.key.replaceAll("\u00b7", times);
  return first + rest.join("").replaceAll("+", " + ").replaceAll("-", " - ");
}

/** Reads sums, differences and products. */
class Reader {
  readonly #parts: readonly string[];
  readonly #valueOf: (name: string) => Polynomial;
  #at = 0;

  constructor(parts: readonly string[], valueOf: (name: string) => Polynomial) {
    this.#parts = parts;
    this.#valueOf = valueOf;
  }

  /** What all parts are together; null for anything else. */
  all(): Polynomial | null {
    const sum = this.#sum();
    return this.#at === this.#parts.length ? sum : null;
  }

  #sum(): Polynomial | null {
    let sum = this.#product();
    for (;;) {
      const sign = this.#take("+") ? 1 : this.#take("-") ? -1 : 0;
      if (sign === 0) return sum;
      const next = this.#product();
      sum = sum === null || next === null ? null : sum.plus(next.scaled(sign));
    }
  }

  #product(): Polynomial | null {
    let product = this.#factor();
    while (this.#take("*")) {
      const next = this.#factor();
      product = product === null || next === null ? null : product.times(next);
    }
    return product;
  }

  #factor(): Polynomial | null {
    if (this.#take("-")) return this.#factor()?.scaled(-1) ?? null;
    if (this.#take("(")) {
      const inner = this.#sum();
      return this.#take(")") ? inner : null;
    }
    const part = this.#parts[this.#at] ?? "";
    if (!/^\w/.test(part)) return null;
    this.#at++;
    return /^\d/.test(part) ? Polynomial.of(Number(part)) : this.#valueOf(part);
  }

  #take(sign: string): boolean {
    if (this.#parts[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }
}
