import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf, scalarOf } from "../../ops/constant.ts";
import { elementTypeOf } from "../../ops/element-type.ts";
import { has } from "../../ops/table.ts";
import { alignedTo, type Extents } from "./indices.ts";
import { Moves } from "./moves.ts";
import { Polynomial } from "./polynomial.ts";
import { firstAlike } from "./repeated.ts";
import type { ReadElement, Shapes } from "./shapes.ts";

type Index = readonly Polynomial[];

/** An element that a longer chain of ops makes is a factor as it is. */
const FURTHEST = 64;

/** A sum of more terms than this is a factor as it is. */
const MOST_TERMS = 16;

/** How elements are read. */
export interface ProductOptions {
  /** Values that are looked no further than. */
  readonly given: ReadonlySet<Value>;
  readonly extents: Extents;
}

/**
 * Elements of values as sums of products: the graph is read backwards from one element, through every op that moves,
 * adds and multiplies, to elements of values that other ops make. These, and what functions such as a cosine make of a
 * sum, are the symbols of the polynomials. Numbers are taken for real ones, so roundings are not looked at.
 */
export class Products {
  readonly #shapes: Shapes;
  readonly #given: ReadonlySet<Value>;
  readonly #extents: Extents;
  readonly #moves: Moves;
  readonly #symbols = new Map<string, string>();
  readonly #ids = new Map<Value, number>();
  readonly #known = new Map<string, Polynomial | null>();
  #depth = 0;

  /** @param element reads integers of the graph, such as the indices of a Gather */
  constructor(shapes: Shapes, element: ReadElement, { given, extents }: ProductOptions) {
    this.#shapes = shapes;
    this.#given = given;
    this.#extents = extents;
    this.#moves = new Moves(shapes, element, extents);
  }

  /** The symbol that an element of a value is, where it is not looked further than. */
  symbol(value: Value, index: Index): string {
    return this.#symbol(this.#keyOf(value, index));
  }

  /** The element of a value at an index; null where a shape on the way is not understood. */
  at(value: Value, index: Index): Polynomial | null {
    const key = this.#keyOf(value, index);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#depth++;
    const isHere = this.#given.has(value) || this.#depth > FURTHEST;
    const found = isHere ? this.#asSymbol(key) : this.#find(value, index, key);
    this.#depth--;
    this.#known.set(key, found);
    return found;
  }

  #find(value: Value, index: Index, key: string): Polynomial | null {
    const number = scalarOf(value);
    if (number !== null) return Polynomial.of(number);
    const node = value.producer;
    if (node === null || constantOf(value) !== null) return this.#first(value, index);
    const sum = this.#arithmetic(node, index);
    if (sum !== undefined) return sum === null || sum.terms <= MOST_TERMS ? sum : this.#asSymbol(key);
    const input = node.input(0);
    if (input !== null && (node.op === "Cos" || node.op === "Sin" || has(node, "retype"))) {
      const inner = this.at(input, index);
      if (inner === null) return null;
      return isRetyped(node) || !has(node, "retype")
        ? this.#asSymbol(`${nameOf(node)}(${inner.key})`)
        : inner;
    }
    const place = this.#moves.before(node, value, index);
    return place === null ? this.#first(value, index) : this.at(place.value, place.index);
  }

  /** An element that is looked no further than, by the first place where it is. */
  #first(value: Value, index: Index): Polynomial {
    const width = this.#shapes.of(value)?.at(-1)?.constant ?? 0;
    return this.#asSymbol(this.#keyOf(value, firstAlike(value, width, index, this.#extents)));
  }

  /** Undefined for an op that is no arithmetic. */
  #arithmetic(node: Node, index: Index): Polynomial | null | undefined {
    switch (node.op) {
      case "Add":
        return this.#both(node, index, (a, b) => a.plus(b));
      case "Sub":
        return this.#both(node, index, (a, b) => a.minus(b));
      case "Mul":
        return this.#both(node, index, (a, b) => a.times(b));
      case "Neg":
        return this.#aligned(node.input(0), index)?.scaled(-1) ?? null;
      case "MatMul":
        return this.#outer(node, index);
      default:
        return undefined;
    }
  }

  #both(node: Node, index: Index, combine: (a: Polynomial, b: Polynomial) => Polynomial): Polynomial | null {
    const [a, b] = [this.#aligned(node.input(0), index), this.#aligned(node.input(1), index)];
    return a === null || b === null ? null : combine(a, b);
  }

  /** A product of columns and rows, each of one number; undefined for any other. */
  #outer(node: Node, index: Index): Polynomial | null | undefined {
    const [a, b] = [node.input(0), node.input(1)];
    const [left, right] = [this.#shapes.of(a), this.#shapes.of(b)];
    if (!left || !right || left.length < 2 || right.length < 2 || left.at(-1)?.constant !== 1)
      return undefined;
    const column = this.#aligned(a, index.with(-1, Polynomial.ZERO));
    const row = this.#aligned(b, index.with(-2, Polynomial.ZERO));
    return column === null || row === null ? null : column.times(row);
  }

  #aligned(operand: Value | null, index: Index): Polynomial | null {
    const sizes = this.#shapes.of(operand);
    return operand === null || sizes === null ? null : this.at(operand, alignedTo(sizes, index));
  }

  #keyOf(value: Value, index: Index): string {
    let id = this.#ids.get(value);
    if (id === undefined) this.#ids.set(value, (id = this.#ids.size));
    return `${id}[${index.map((one) => one.key).join(",")}]`;
  }

  #asSymbol(key: string): Polynomial {
    return Polynomial.symbol(this.#symbol(key));
  }

  /** Names without the signs that polynomials are written with. */
  #symbol(key: string): string {
    let symbol = this.#symbols.get(key);
    if (symbol === undefined) this.#symbols.set(key, (symbol = `e${this.#symbols.size}`));
    return symbol;
  }
}

/** Whether a cast changes the type, and with it the numbers. */
function isRetyped(node: Node): boolean {
  if (!has(node, "retype")) return false;
  const [from, to] = [elementTypeOf(node.input(0)), elementTypeOf(node.output(0))];
  return from === null || from !== to;
}

function nameOf(node: Node): string {
  return has(node, "retype") ? `${node.op} ${elementTypeOf(node.output(0)) ?? ""}` : node.op;
}
