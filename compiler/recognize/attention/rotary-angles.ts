import { isFloat, type DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import { numbers } from "../../ir/scalar.ts";
import type { Tensor } from "../../ir/tensor.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf, scalarOf } from "../../ops/constant.ts";
import { elementTypeOf } from "../../ops/element-type.ts";
import type { Elements } from "../symbolic/elements.ts";
import { Polynomial } from "../symbolic/polynomial.ts";
import { Products } from "../symbolic/products.ts";
import type { Sizes } from "../symbolic/shapes.ts";
import type { RotaryTable } from "./rotary-table.ts";

/** What the cosines, or sines, of a table are of: each position times a constant frequency. */
export interface RotaryAngles {
  readonly of: "Cos" | "Sin";
  /** What each is multiplied by. */
  readonly scale: number;
  /** What they are rounded to last; before, all is float. */
  readonly dtype: DType;
  /** Integers of the table's shape without its last axis and that of one head, but for axes of one element. */
  readonly positions: Value;
  /** The axes of {@link positions} that are of one element, and that the table does not have. */
  readonly spare: readonly number[];
  /** Of those features that are asked for, each of which is turned together with another one. */
  readonly frequencies: readonly number[];
}

/** No exporter puts more between positions and angles. */
const FURTHEST = 24;

const FEATURE = "@feature";

/**
 * Proves that a table holds cosines, or sines, of positions times constants.
 *
 * @param count how many features are turned together with another one
 * @returns null for anything else, such as frequencies that are chosen by the length
 */
export function recognizeAngles(table: RotaryTable, count: number, elements: Elements): RotaryAngles | null {
  const found = functionOf(table.value);
  const sizes = elements.shapes.of(found?.angles ?? null);
  if (found === null || !sizes) return null;
  const read = (value: Value, index: readonly Polynomial[]): Polynomial | null => products.at(value, index);
  const products = new Products(elements.shapes, (value, index) => elements.at(value, index), {
    given: new Set(),
    extents: new Map([[FEATURE, count]]),
  });
  const symbols = sizes.map((size, axis) =>
    size.constant === 1 ? Polynomial.ZERO : Polynomial.symbol(`@axis${axis}`),
  );
  const feature = (count === 1 ? Polynomial.ZERO : Polynomial.symbol(FEATURE)).scaled(table.step);
  const angle = read(found.angles, symbols.with(-1, feature));
  const lead = sizes.slice(0, -1).filter((_, axis) => axis !== table.headAxis);
  const leadSymbols = symbols.slice(0, -1).filter((_, axis) => axis !== table.headAxis);
  const { casts, constants } = above(found.angles);
  for (const cast of casts) {
    const positions = cast.input(0);
    const own = elements.shapes.of(positions);
    const spare = own === null ? null : spareAxes(own, lead);
    if (positions === null || own === null || spare === null) continue;
    const places = [...leadSymbols];
    const index = own.map(
      (_, axis) => (spare.includes(axis) ? undefined : places.shift()) ?? Polynomial.ZERO,
    );
    const position = read(cast.result, index);
    if (position === null) continue;
    for (const constant of constants) {
      // There may be one frequency for two features that lie side by side.
      for (const step of new Set([table.step, 1])) {
        const frequency = read(constant.value, indexOf(constant, step));
        if (frequency === null || angle?.equals(position.times(frequency)) !== true) continue;
        const all = numbers(constant.tensor) ?? [];
        const frequencies = Array.from({ length: count }, (_, i) => all[all.length === 1 ? 0 : i * step]);
        if (!frequencies.every((one) => one !== undefined)) continue;
        return { ...found, positions, spare, frequencies };
      }
    }
  }
  return null;
}

/** Where a frequency stands for each of the features that are read. */
function indexOf({ tensor }: Constant, step: number): readonly Polynomial[] {
  return tensor.shape.map((size) => (size === 1 ? Polynomial.ZERO : Polynomial.symbol(FEATURE).scaled(step)));
}

/** A function that made a table, and of what. */
interface Made {
  readonly of: "Cos" | "Sin";
  readonly scale: number;
  readonly dtype: DType;
  readonly angles: Value;
}

/** The function that made a table, with one number that it is multiplied by, and the type that it is cast to last. */
function functionOf(table: Value): Made | null {
  const node = table.producer;
  const input = node?.input(0) ?? null;
  if (node === null || input === null) return null;
  if (node.op === "Cos" || node.op === "Sin")
    return elementTypeOf(input) === "float" ? { of: node.op, scale: 1, dtype: "float", angles: input } : null;
  if (node.op === "Cast") {
    const [inner, dtype] = [functionOf(input), elementTypeOf(table)];
    return inner?.dtype === "float" && (dtype === "float" || dtype === "float16")
      ? { ...inner, dtype }
      : null;
  }
  for (const factor of node.op === "Mul" ? [0, 1] : []) {
    const [scale, other] = [scalarOf(node.input(factor)), node.input(1 - factor)];
    const inner = scale === null || other === null ? null : functionOf(other);
    if (scale !== null && inner?.dtype === "float" && inner.scale === 1) return { ...inner, scale };
  }
  return null;
}

/** A constant, and the value that has its numbers as floats. */
interface Constant {
  readonly value: Value;
  readonly tensor: Tensor;
}

/** Ops whose operands all make the result; those that only put elements elsewhere have them in front. */
const joining: ReadonlySet<string> = new Set(["Mul", "MatMul", "Concat"]);

/** Casts of integers to floats above a value, and constants that are floats there. */
function above(value: Value): { readonly casts: readonly Node[]; readonly constants: readonly Constant[] } {
  const [casts, constants] = [new Set<Node>(), new Set<Constant>()];
  const seen = new Set<Value>([value]);
  // The set grows while it is walked.
  for (const one of seen) {
    const node = one.producer;
    const [own, cast] = [constantOf(one), node?.op === "Cast" ? constantOf(node.input(0)) : null];
    const tensor = own ?? cast;
    if (tensor !== null) {
      if (isFloat(tensor.dtype) && elementTypeOf(one) === "float") constants.add({ value: one, tensor });
      continue;
    }
    if (node === null || seen.size > FURTHEST) continue;
    const from = elementTypeOf(node.input(0));
    if (node.op === "Cast" && from !== null && !isFloat(from)) {
      if (elementTypeOf(one) === "float") casts.add(node);
      continue;
    }
    for (const input of joining.has(node.op) ? node.inputs : [node.input(0)])
      if (input !== null) seen.add(input);
  }
  return { casts: [...casts], constants: [...constants] };
}

/** The axes of one element without which a shape is the wanted one; null where it is another. */
function spareAxes(own: Sizes, wanted: Sizes): readonly number[] | null {
  const spare: number[] = [];
  let next = 0;
  own.forEach((size, axis) => {
    // Of several that are one element, the last are spare.
    if (wanted[next]?.equals(size) === true) next++;
    else spare.push(axis);
  });
  return next === wanted.length && spare.every((axis) => own[axis]?.constant === 1) ? spare : null;
}
