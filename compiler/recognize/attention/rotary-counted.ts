import { isFloat, type DType } from "../../ir/dtype.ts";
import { numbers } from "../../ir/scalar.ts";
import type { Tensor } from "../../ir/tensor.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf, scalarOf } from "../../ops/constant.ts";
import { elementTypeOf } from "../../ops/element-type.ts";
import { has } from "../../ops/table.ts";
import type { Elements } from "../symbolic/elements.ts";
import type { Expression } from "../symbolic/expression.ts";
import { alignedTo, placeIn } from "../symbolic/indices.ts";
import { Moves } from "../symbolic/moves.ts";
import { Polynomial } from "../symbolic/polynomial.ts";
import type { Inexact } from "./exact.ts";

/** Cosines, or sines, that depend on nothing but a position: rows of a table that a compiler can write. */
export interface PositionTable {
  /** The position that a row is of, as a function of the index that was asked for. */
  readonly position: Expression;
  /** What the numbers are rounded to last; before, all is float. */
  readonly dtype: DType;
  /** What each is multiplied by. */
  readonly scale: number;
  /** How many features a row has, each of which is turned together with another one. */
  readonly count: number;
  readonly source: AngleSource | RowSource;
}

/** Positions times constant frequencies. */
export interface AngleSource {
  readonly kind: "angles";
  readonly of: "Cos" | "Sin";
  readonly frequencies: readonly number[];
}

/** Rows of a constant `[positions, …]`. */
export interface RowSource {
  readonly kind: "rows";
  readonly tensor: Tensor;
  /** Where the features stand in a row. */
  readonly columns: readonly number[];
}

type Index = readonly Polynomial[];

/** The symbol of a feature in an index. */
const FEATURE = "@feature";

/** No exporter puts more between a table and what it is made of. */
const FURTHEST = 48;

/** The place of each of `count` features along an axis that has them at each `step`. */
export function featureIndex(count: number, step: number): Polynomial {
  return count === 1 ? Polynomial.ZERO : Polynomial.symbol(FEATURE).scaled(step);
}

/** Whether two tables have the same numbers for the same positions. */
export function isSameTable(one: PositionTable, other: PositionTable): boolean {
  return (
    one.dtype === other.dtype &&
    one.scale === other.scale &&
    keyOf(one) === keyOf(other) &&
    haveSameTensor(one, other)
  );
}

function keyOf({ source }: PositionTable): string {
  return source.kind === "angles"
    ? `${source.of} ${source.frequencies.join()}`
    : `rows ${source.columns.join()}`;
}

function haveSameTensor({ source: a }: PositionTable, { source: b }: PositionTable): boolean {
  return (a.kind === "rows" ? a.tensor : null) === (b.kind === "rows" ? b.tensor : null);
}

/**
 * Reads the tables of a rotary embedding element by element, back to what they are made of: cosines of positions times
 * constants, or rows of a constant, whatever moves them.
 */
export class PositionTables {
  readonly #elements: Elements;
  readonly #known = new Map<Value, Map<string, PositionTable | Inexact>>();

  constructor(elements: Elements) {
    this.#elements = elements;
  }

  /**
   * @param index where a feature stands; its last axis is that of {@link featureIndex}
   * @returns why it is no such table, where that is not proved
   */
  read(value: Value, index: Index, count: number): PositionTable | Inexact {
    const key = `${count} ${index.map((one) => one.key).join()}`;
    const all = this.#known.get(value) ?? new Map<string, PositionTable | Inexact>();
    this.#known.set(value, all);
    let found = all.get(key);
    if (found === undefined) all.set(key, (found = new Reading(this.#elements, count).table(value, index)));
    return found;
  }
}

/** An element of a constant. */
interface Factor {
  readonly tensor: Tensor;
  readonly index: Index;
}

/** What an angle, or a part of it, is the product of. */
interface Product {
  readonly position: Expression | null;
  readonly frequency: Factor | null;
}

const NOTHING: Product = { position: null, frequency: null };

/** What is known of a table before it is known what it is made of. */
type Found = Omit<PositionTable, "position" | "source">;

/** What a value is a multiple of. */
interface Step {
  readonly value: Value;
  readonly index: Index;
  readonly factor: number;
}

class Reading {
  readonly #elements: Elements;
  readonly #count: number;
  readonly #moves: Moves;

  constructor(elements: Elements, count: number) {
    this.#elements = elements;
    this.#count = count;
    const read = (value: Value, index: Index): Expression => elements.at(value, index);
    this.#moves = new Moves(elements.shapes, read, new Map([[FEATURE, count]]));
  }

  table(table: Value, at: Index): PositionTable | Inexact {
    const dtype = elementTypeOf(table);
    if (dtype === null || !isFloat(dtype)) return notATable(table);
    let [value, index, scale, isFloatNow]: [Value, Index, number | null, boolean] = [table, at, null, false];
    for (let steps = 0; steps < FURTHEST; steps++) {
      const own = elementTypeOf(value);
      isFloatNow ||= own === "float";
      // Rounded once, last: whatever else is done in fewer digits gives other numbers.
      if (own !== (isFloatNow ? "float" : dtype)) return notATable(table);
      const found: Found = { dtype, scale: scale ?? 1, count: this.#count };
      const node: Node | null = value.producer;
      const rows = this.#rows(value, index, found);
      if (rows !== null) return rows;
      if (node?.op === "Cos" || node?.op === "Sin")
        return isFloatNow ? this.#angles(node, index, found) : notATable(table);
      const next: Step | null =
        node === null ? null : (this.#scaled(node, index) ?? this.#moved(node, value, index));
      if (next === null || (next.factor !== 1 && (scale !== null || !isFloatNow))) return notATable(table);
      if (next.factor !== 1) scale = next.factor;
      [value, index] = [next.value, next.index];
    }
    return notATable(table);
  }

  /** A product with one number. */
  #scaled(node: Node, index: Index): Step | null {
    for (const at of node.op === "Mul" ? [0, 1] : []) {
      const [factor, value] = [scalarOf(node.input(at)), node.input(1 - at)];
      const sizes = this.#elements.shapes.of(value);
      if (factor !== null && value !== null && sizes !== null)
        return { value, index: alignedTo(sizes, index), factor };
    }
    return null;
  }

  #moved(node: Node, value: Value, index: Index): Step | null {
    const input = node.input(0);
    if (input !== null && has(node, "retype")) return { value: input, index, factor: 1 };
    const place = this.#moves.before(node, value, index);
    return place === null ? null : { ...place, factor: 1 };
  }

  /** An element of a constant of two axes, or of rows that are taken of one; null for any other. */
  #rows(value: Value, index: Index, found: Found): PositionTable | null {
    const node = value.producer;
    const own = constantOf(value);
    const taken = node?.op === "Gather" && (node.int("axis") ?? 0) === 0 ? node : null;
    const tensor = own ?? constantOf(taken?.input(0) ?? null);
    if (tensor?.shape.length !== 2) return null;
    const columns = this.#places(index.at(-1) ?? Polynomial.ZERO);
    const places = index.slice(0, -1);
    const [place] = places;
    const position: Expression | undefined =
      own === null
        ? this.#elements.at(taken?.input(1) ?? null, places)
        : place && { kind: "integer", value: place };
    if (position === undefined || columns === null) return null;
    return { ...found, position, source: { kind: "rows", tensor, columns } };
  }

  #angles(node: Node, index: Index, found: Found): PositionTable | Inexact {
    const angle = node.input(0);
    const product = angle === null ? null : this.#product(angle, index, 0);
    const frequencies = product?.frequency ? this.#numbers(product.frequency) : null;
    const position = product?.position ?? null;
    const of = node.op === "Cos" ? "Cos" : "Sin";
    if (frequencies === null || position === null)
      return {
        why: `the angles of "${node.result.name ?? ""}" are not proved to be positions times constants`,
      };
    return { ...found, position, source: { kind: "angles", of, frequencies } };
  }

  /** An angle as a position times a constant; null for any other. All of it is computed in float. */
  #product(value: Value, index: Index, depth: number): Product | null {
    const tensor = constantOf(value);
    if (tensor !== null) return isFloat(tensor.dtype) ? { ...NOTHING, frequency: { tensor, index } } : null;
    const node = value.producer;
    if (node === null || depth > FURTHEST || elementTypeOf(value) !== "float") return null;
    const input = node.input(0);
    if (input === null) return null;
    if (has(node, "retype")) {
      const from = elementTypeOf(input);
      if (from === null || !isFloat(from)) {
        const position = this.#elements.at(input, index);
        // Of what may be fewer digits it is not known whether they are the position's.
        return from === null && position.kind === "integer" ? null : { ...NOTHING, position };
      }
      return from === "float" || constantOf(input) !== null ? this.#product(input, index, depth + 1) : null;
    }
    const factors = this.#factors(node, index);
    if (factors !== null) return joined(factors.map(([of, at]) => this.#product(of, at, depth + 1)));
    const place = this.#moves.before(node, value, index);
    if (place !== null) return this.#product(place.value, place.index, depth + 1);
    const element = this.#elements.at(value, index);
    return element.kind === "integer" ? { ...NOTHING, position: element } : null;
  }

  /** The operands of a product, or of one of a column and a row, each of one number. */
  #factors(node: Node, index: Index): readonly (readonly [Value, Index])[] | null {
    const [a, b] = [node.input(0), node.input(1)];
    if (a === null || b === null) return null;
    const [left, right] = [this.#elements.shapes.of(a), this.#elements.shapes.of(b)];
    if (left === null || right === null) return null;
    if (node.op === "Mul")
      return [[a, alignedTo(left, index)] as const, [b, alignedTo(right, index)] as const];
    if (node.op !== "MatMul" || left.length < 2 || right.length < 2 || left.at(-1)?.constant !== 1)
      return null;
    return [
      [a, alignedTo(left, index.with(-1, Polynomial.ZERO))],
      [b, alignedTo(right, index.with(-2, Polynomial.ZERO))],
    ];
  }

  /** The numbers of a constant for each feature. */
  #numbers({ tensor, index }: Factor): readonly number[] | null {
    const all = numbers(tensor);
    const places = index.map((one) => this.#places(one));
    const known = places.filter((one) => one !== null);
    if (all === null || known.length < places.length) return null;
    const found = Array.from({ length: this.#count }, (_, i) => {
      const place = placeIn(
        tensor.shape,
        known.map((one) => one[i] ?? null),
      );
      return place === null ? undefined : all[place];
    }).filter((one) => one !== undefined);
    return found.length < this.#count ? null : found;
  }

  /** An index for each feature; null where something else is in it. */
  #places(index: Polynomial): readonly number[] | null {
    const [first, step] = [index.without(FEATURE).constant, index.coefficient(FEATURE)];
    return first === null ? null : Array.from({ length: this.#count }, (_, i) => first + i * step);
  }
}

/** What is a product of a position and a constant; null where one is missing, or there are two of one kind. */
function joined(parts: readonly (Product | null)[]): Product | null {
  const [a, b] = parts;
  if (!a || !b) return null;
  const isTwice =
    (a.position !== null && b.position !== null) || (a.frequency !== null && b.frequency !== null);
  return isTwice ? null : { position: a.position ?? b.position, frequency: a.frequency ?? b.frequency };
}

function notATable(table: Value): Inexact {
  return {
    why: `"${table.name ?? ""}" is not proved to hold cosines or sines of positions times constants`,
  };
}
