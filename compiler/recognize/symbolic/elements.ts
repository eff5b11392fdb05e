import { dtypeOf, isFloat } from "../../ir/dtype.ts";
import { numbers } from "../../ir/scalar.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf, integersOf, scalarOf } from "../../ops/constant.ts";
import { elementTypeOf } from "../../ops/element-type.ts";
import { combine, compare, conditionOf, numberOf, ofNumber } from "./arithmetic.ts";
import {
  and,
  not,
  or,
  unknown,
  type Condition,
  type Element,
  type Expression,
  type Unknown,
} from "./expression.ts";
import { alignedTo, placeIn, type Extents } from "./indices.ts";
import { Moves } from "./moves.ts";
import { oneHotElement } from "./one-hot.ts";
import { Polynomial } from "./polynomial.ts";
import { product, shapeBounds, Shapes, type ShapesLike, type Sizes } from "./shapes.ts";

type Index = readonly Polynomial[];

/** An element that a longer chain of ops makes counts as unknown. */
const FURTHEST = 400;

/** The place along an axis of what is added up. */
const SUMMED = Polynomial.symbol("@summed");

/** Constants of more elements than this are not looked into. */
const LARGEST = 1 << 16;

/** How elements are looked for. */
export interface ElementOptions {
  /** Shapes that are known already. */
  readonly shapes?: Shapes;
  /** Values that are looked no further than, as if callers gave them. */
  readonly given?: ReadonlySet<Value>;
  /** Whether constant factors on what is given are passed over: what is asked is where an element comes from. */
  readonly ignoresScale?: boolean;
  /** How many values an index takes, by its symbol. */
  readonly extents?: Extents;
}

/**
 * Elements of values as functions of their indices: the graph is read backwards from one element, through every op that
 * moves, compares and chooses, to what callers give and to sizes. With it a mask is not run but proved.
 */
export class Elements {
  readonly shapes: Shapes;
  readonly #known = new Map<Value, Map<string, Expression>>();
  #depth = 0;

  readonly #given: ReadonlySet<Value>;
  readonly #ignoresScale: boolean;

  readonly #moves: Moves;

  /** @param like what is known of shapes */
  constructor(like: ShapesLike, options: ElementOptions = {}) {
    this.shapes = options.shapes ?? new Shapes((value, index) => this.at(value, index), like);
    this.#given = options.given ?? new Set();
    this.#ignoresScale = options.ignoresScale ?? false;
    const extents = options.extents ?? new Map<string, number>();
    this.#moves = new Moves(this.shapes, (of, index) => this.at(of, index), extents);
  }

  /** The element of a value at an index, which has a polynomial for each axis. */
  at(value: Value | null, index: Index): Expression {
    if (value === null) return unknown("an input that is left out");
    if (this.#depth > FURTHEST) return unknown(`what is more than ${FURTHEST} ops away`);
    const key = index.map((one) => one.key).join(",");
    const known = this.#known.get(value)?.get(key);
    if (known !== undefined) return known;
    this.#depth++;
    const found = this.#find(value, index);
    this.#depth--;
    let all = this.#known.get(value);
    if (all === undefined) this.#known.set(value, (all = new Map<string, Expression>()));
    all.set(key, found);
    return found;
  }

  /** The one number that a value always holds, also where it is computed of sizes; null for anything else. */
  number(value: Value | null): number | null {
    const constant = scalarOf(value);
    if (constant !== null || value === null) return constant;
    const sizes = this.shapes.of(value);
    if (sizes?.every((size) => size.constant === 1) !== true) return null;
    const element = this.at(
      value,
      sizes.map(() => Polynomial.ZERO),
    );
    if (element.kind === "number") return element.value;
    return element.kind === "integer" ? element.value.constant : null;
  }

  /** Of a product with or division by one number, which operand is not the number, and the factor; else null. */
  scaledOperand(node: Node): { readonly operand: number; readonly factor: number } | null {
    if (node.op !== "Mul" && node.op !== "Div") return null;
    const right = this.number(node.input(1));
    if (right !== null) return { operand: 0, factor: node.op === "Mul" ? right : 1 / right };
    const left = node.op === "Mul" ? this.number(node.input(0)) : null;
    return left === null ? null : { operand: 1, factor: left };
  }

  #find(value: Value, index: Index): Expression {
    if (this.#given.has(value)) return { kind: "element", value, index };
    const tensor = constantOf(value);
    if (tensor !== null) {
      const [places, { shape, size }] = [index.map(({ constant }) => constant), tensor];
      if (size === 0 || size > LARGEST) return { kind: "element", value, index };
      const place = placeIn(shape, places);
      const number = place === null ? undefined : numbers(tensor)?.[place];
      return number === undefined ? { kind: "element", value, index } : numberOf(number, tensor.dtype);
    }
    const node = value.producer;
    if (node === null) return { kind: "element", value, index };
    return this.#made(node, value, index);
  }

  #made(node: Node, value: Value, index: Index): Expression {
    const operand = (i: number): Expression => this.#aligned(node.input(i), index, value);
    const truthOf = (i: number): Condition => conditionOf(operand(i));
    switch (node.op) {
      case "Identity":
        return this.at(node.input(0), index);
      case "Cast":
      case "CastLike":
        return this.#cast(node, this.at(node.input(0), index));
      case "And":
      case "BitwiseAnd":
        return and([truthOf(0), truthOf(1)]);
      case "Or":
      case "BitwiseOr":
        return or([truthOf(0), truthOf(1)]);
      case "Not":
      case "BitwiseNot":
        return not(truthOf(0));
      case "Where":
        return this.#where(node, value, index);
      case "Less":
      case "LessOrEqual":
      case "Greater":
      case "GreaterOrEqual":
      case "Equal":
        return compare(node.op, operand(0), operand(1));
      case "Mul":
        return this.#scaled(node, operand) ?? combine("Mul", operand(0), operand(1));
      case "Div":
        return this.#scaled(node, operand) ?? combine(divisionOf(node), operand(0), operand(1));
      case "Neg":
        return combine("Sub", { kind: "integer", value: Polynomial.ZERO }, operand(0));
      case "Sqrt":
      case "Reciprocal":
        return ofNumber(node.op, operand(0));
      case "Add":
      case "Sub":
      case "Max":
      case "Min":
        return node.inputs.length === 2 ? combine(node.op, operand(0), operand(1)) : this.#strange(node);
      default:
        return this.#moved(node, value, index);
    }
  }

  /** Ops that make elements of sizes, and those that put elements elsewhere. */
  #moved(node: Node, value: Value, index: Index): Expression {
    const input = node.input(0);
    const sizes = input === null ? null : this.shapes.of(input);
    const [first = Polynomial.ZERO] = index;
    const place: Expression = { kind: "integer", value: first };
    switch (node.op) {
      case "Range":
        return combine("Add", this.at(input, []), combine("Mul", place, this.at(node.input(2), [])));
      case "Shape":
        return sizes === null ? this.#strange(node) : sizeAt(node, sizes, first);
      case "Size":
        return sizes === null ? this.#strange(node) : { kind: "integer", value: product(sizes) };
      case "ConstantOfShape":
        return filled(node);
      default:
        return input === null ? this.#strange(node) : this.#placed(node, input, value, index);
    }
  }

  /** Ops that put elements elsewhere. */
  #placed(node: Node, input: Value, value: Value, index: Index): Expression {
    if (node.op === "ScatterND") return this.#scattered(node, index);
    if (node.op === "Trilu") return this.#triangle(node, input, index);
    if (node.op === "CumSum") return this.#summed(node, input, index);
    if (node.op === "ReduceMax") return this.#largest(node, input);
    if (node.op === "OneHot") return oneHotElement(node, index, (of, at) => this.at(of, at));
    const place = this.#moves.before(node, value, index);
    return place === null ? this.#strange(node) : this.at(place.value, place.index);
  }

  /** The largest of integers that are all one number. */
  #largest(node: Node, input: Value): Expression {
    const sizes = this.shapes.of(input);
    if (sizes?.every(({ constant }) => constant !== null && constant > 0) !== true)
      return this.#strange(node);
    const any = this.at(
      input,
      sizes.map((_, axis) => Polynomial.symbol(`@any${axis}`)),
    );
    return any.kind === "integer" && any.value.constant !== null ? any : this.#strange(node);
  }

  /** An operand's element where the result's is wanted: axes that broadcast have one element. */
  #aligned(operand: Value | null, index: Index, result: Value): Expression {
    const sizes = this.shapes.of(operand);
    if (operand === null || sizes === null)
      return unknown(`${nameOf(operand)}, whose shape is not understood, in ${nameOf(result)}`);
    return this.at(operand, alignedTo(sizes, index));
  }

  /** The element that a constant factor is passed over for; null where none is. */
  #scaled(node: Node, operand: (index: number) => Expression): Element | null {
    const scaled = this.#ignoresScale ? this.scaledOperand(node) : null;
    const element = scaled === null ? null : operand(scaled.operand);
    return element?.kind === "element" && this.#given.has(element.value) ? element : null;
  }

  #where(node: Node, value: Value, index: Index): Expression {
    const [condition, then, otherwise] = [0, 1, 2].map((i) => this.#aligned(node.input(i), index, value));
    if (condition === undefined || then === undefined || otherwise === undefined) return this.#strange(node);
    const decided = conditionOf(condition);
    if (decided.kind === "truth") return decided.value ? then : otherwise;
    return { kind: "choose", condition: decided, then, otherwise };
  }

  #cast(node: Node, of: Expression): Expression {
    const type = node.op === "Cast" ? dtypeOf(node.int("to") ?? 0) : elementTypeOf(node.output(0));
    if (type === "bool") return conditionOf(of);
    if (of.kind !== "number" || isFloat(type ?? "float")) return of;
    return Number.isFinite(of.value)
      ? numberOf(Math.trunc(of.value), type ?? "int64")
      : unknown("an infinite number as an integer");
  }

  /** Elements that are written over all of a value, each in its place, as older tracers copy a slice. */
  #scattered(node: Node, index: Index): Expression {
    const isInPlace = index.every((at, axis) => {
      const place = this.at(node.input(1), [...index, Polynomial.of(axis)]);
      return place.kind === "integer" && place.value.equals(at);
    });
    const [own, written] = [this.shapes.of(node.input(0)), this.shapes.of(node.input(1))?.slice(0, -1)];
    const coversAll = own?.every((size, axis) => written?.[axis]?.equals(size)) === true;
    return isInPlace && coversAll ? this.at(node.input(2), index) : this.#strange(node);
  }

  /** A sum of elements up to a place, where they are one number along the axis. */
  #summed(node: Node, input: Value, index: Index): Expression {
    const axes = integersOf(node.input(1));
    const isPlain = (node.int("exclusive") ?? 0) === 0 && (node.int("reverse") ?? 0) === 0;
    if (axes?.length !== 1 || !isPlain) return this.#strange(node);
    const axis = ((axes[0] ?? 0) + index.length) % index.length;
    const place = index[axis];
    const each = this.at(input, index.with(axis, SUMMED));
    if (place === undefined || each.kind !== "integer" || each.value.has(SUMMED.key))
      return this.#strange(node);
    return { kind: "integer", value: each.value.times(place.plus(Polynomial.ONE)) };
  }

  /** One of two triangles of the last two axes; the other is zero. */
  #triangle(node: Node, input: Value, index: Index): Expression {
    const k = node.input(1) === null ? 0 : integersOf(node.input(1))?.[0];
    const [row, column] = index.slice(-2);
    if (k === undefined || row === undefined || column === undefined) return this.#strange(node);
    const above = row.plus(Polynomial.of(k)).minus(column);
    const isUpper = (node.int("upper") ?? 1) !== 0;
    const kept = compare(
      isUpper ? "LessOrEqual" : "GreaterOrEqual",
      { kind: "integer", value: above },
      { kind: "integer", value: Polynomial.ZERO },
    );
    const condition = conditionOf(kept);
    const zero: Expression = { kind: "integer", value: Polynomial.ZERO };
    const own = this.at(input, index);
    if (condition.kind === "truth") return condition.value ? own : zero;
    return { kind: "choose", condition, then: own, otherwise: zero };
  }

  #strange(node: Node): Unknown {
    return unknown(`${node.op} "${node.name ?? nameOf(node.output(0))}"`);
  }
}

/** Integers drop the rest of a quotient; a float may hold a whole number and keeps it. */
function divisionOf(node: Node): "Div" | "Quotient" {
  const type = elementTypeOf(node.output(0));
  return type === null || isFloat(type) ? "Div" : "Quotient";
}

function nameOf(value: Value | null): string {
  return JSON.stringify(value?.name ?? "");
}

function sizeAt(node: Node, sizes: Sizes, index: Polynomial): Expression {
  const [start] = shapeBounds(node, sizes.length);
  const size = index.constant === null ? undefined : sizes[start + index.constant];
  return size === undefined
    ? unknown("a size along an axis that is computed")
    : { kind: "integer", value: size };
}

function filled(node: Node): Expression {
  const value = node.attributes.get("value");
  if (value === undefined) return { kind: "integer", value: Polynomial.ZERO };
  if (value.kind !== "tensor") return unknown("ConstantOfShape");
  const [number] = numbers(value.value) ?? [];
  return number === undefined ? unknown("ConstantOfShape") : numberOf(number, value.value.dtype);
}
