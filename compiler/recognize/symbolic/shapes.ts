import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf, integersOf, scalarOf } from "../../ops/constant.ts";
import { opOf } from "../../ops/table.ts";
import type { Expression } from "./expression.ts";
import { attentionShape } from "./attention-shape.ts";
import { allPlaces } from "./all-places.ts";
import { declared, numbered } from "./declared-shapes.ts";
import { sizeOfCut, type Cut } from "./cuts.ts";
import { oneHotShape } from "./one-hot.ts";
import { Polynomial } from "./polynomial.ts";
import { productShape } from "./product-shape.ts";

/** Sizes along the axes of a value. */
export type Sizes = readonly Polynomial[];

/** Reads one element of a value; what {@link Elements} does, and sizes that are computed need. */
export type ReadElement = (value: Value, index: readonly Polynomial[]) => Expression;

/** A shape that is known by that of another value: it is the same, but for the last axis where a width is given. */
export interface ShapeLike {
  readonly of: Value;
  readonly width?: number;
  /** Whether the two have nothing but the shape in common: numbers and element types differ. */
  readonly isOther?: boolean;
}

/** Shapes that are known by what was recognized: a block makes a value of its input's shape, a linear one of its own width. */
export type ShapesLike = ReadonlyMap<Value, ShapeLike>;

/** A value that is made by a longer chain of ops than this counts as unknown. */
const FURTHEST = 200;

/**
 * Shapes of values as polynomials in the sizes of what callers give. A size that a graph input declares by name is that
 * symbol, so that inputs which declare one name have one size; one without a name is a symbol of its own.
 */
export class Shapes {
  readonly #element: ReadElement;
  readonly #like: ShapesLike;
  readonly #known = new Map<Value, Sizes | null>();
  #depth = 0;

  constructor(element: ReadElement, like: ShapesLike) {
    this.#element = element;
    this.#like = like;
  }

  /** null where it is not understood. */
  of(value: Value | null): Sizes | null {
    if (value === null || this.#depth > FURTHEST) return null;
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    this.#depth++;
    const found = this.#find(value);
    this.#depth--;
    this.#known.set(value, found);
    return found;
  }

  #find(value: Value): Sizes | null {
    const constant = constantOf(value);
    if (constant !== null) return constant.shape.map((size) => Polynomial.of(size));
    const other = this.#like.get(value);
    if (other !== undefined) return this.#as(other);
    const node = value.producer;
    return node === null ? declared(value) : (this.#made(node, value) ?? numbered(value));
  }

  #as({ of, width }: ShapeLike): Sizes | null {
    const sizes = this.of(of);
    return sizes === null || width === undefined ? sizes : sizes.with(-1, Polynomial.of(width));
  }

  #made(node: Node, value: Value): Sizes | null {
    switch (node.op) {
      case "Shape":
        return this.#shapeOfShape(node);
      case "Size":
        return [];
      case "Range":
        return this.#range(node);
      case "ConstantOfShape":
        return this.vector(node.input(0));
      case "Expand":
        return this.#expanded(node);
      case "Reshape":
        return this.reshaped(node);
      case "Flatten":
        return this.#flattened(node);
      case "Unsqueeze":
      case "Squeeze":
        return this.#squeezed(node);
      case "Transpose":
        return this.#transposed(node);
      case "Concat":
        return this.#joined(node);
      case "Slice":
        return this.#sliced(node);
      case "Gather":
        return this.#gathered(node);
      case "GatherElements":
      case "GatherND":
        return this.#gatheredAt(node);
      case "Where":
        return this.broadcast(node.inputs);
      case "Split":
        return this.#split(node, value.index);
      case "DynamicQuantizeLinear":
        // Scale and zero point are one for all.
        return value.index === 0 ? this.of(node.input(0)) : [];
      case "Tile":
        return this.#repeated(node);
      case "Conv":
        return this.#convolved(node);
      case "TopK":
        return this.#best(node);
      case "OneHot":
        return oneHotShape(node, this.of(node.input(0)));
      case "ScatterND":
        return this.of(node.input(0));
      default:
        return this.#byTable(node, value.index);
    }
  }

  /** As products of matrices have it, or the table of ops. */
  #byTable(node: Node, result: number): Sizes | null {
    const multiplied = productShape(node, (value) => this.of(value), together);
    if (multiplied !== undefined) return multiplied;
    const { rank, traits, norm, attention } = opOf(node);
    if (attention !== null)
      return result === 0 ? attentionShape(node, attention, (value) => this.of(value)) : null;
    // The sum that a norm is of has the norm's shape.
    if (result !== 0 && norm?.sum !== result) return null;
    // Others have as many axes, and of other sizes: the best of a row, repeated or padded ones.
    const keeps = !traits.has("choose") && !traits.has("best") && norm?.weight !== null;
    if (rank === "first") return keeps ? this.of(node.input(0)) : null;
    if (traits.has("reduce")) return this.#reduced(node);
    if (rank === "most" || traits.has("elementwise")) return this.broadcast(node.inputs);
    return null;
  }

  /** The shape that values have together. A size that is no number is taken for more than one. */
  broadcast(values: readonly (Value | null)[]): Sizes | null {
    const all = values.map((value) => this.of(value));
    if (all.some((sizes) => sizes === null)) return null;
    return together(all.filter((sizes) => sizes !== null));
  }

  /** The integers of a vector, such as a shape operand; null where one is not understood. */
  vector(value: Value | null): Sizes | null {
    const integers = integersOf(value);
    if (integers !== null) return integers.map((n) => Polynomial.of(n));
    const length = this.of(value)?.[0]?.constant;
    if (value === null || length === undefined || length === null || length > 16) return null;
    const elements = Array.from({ length }, (_, i) => this.#element(value, [Polynomial.of(i)]));
    const found = elements.flatMap((one) => (one.kind === "integer" ? [one.value] : []));
    return found.length < length ? null : found;
  }

  /** Axes of an op that takes them as an attribute or, in newer versions, as an operand; counted from 0. */
  axes(node: Node, operand: number, rank: number): readonly number[] | null {
    const axes = node.ints("axes") ?? integersOf(node.input(operand));
    return axes === null ? null : axes.map((axis) => (axis < 0 ? axis + rank : axis));
  }

  /** The shape a Reshape makes: 0 copies a size, -1 is what is left. */
  reshaped(node: Node): Sizes | null {
    const [from, wanted] = [this.of(node.input(0)), this.vector(node.input(1))];
    if (wanted === null) return null;
    const copies = node.int("allowzero") !== 1;
    const sizes = wanted.map((size, axis) => (copies && size.constant === 0 ? from?.[axis] : size));
    const given = sizes.filter((size) => size !== undefined);
    if (given.length < sizes.length) return null;
    const left = given.findIndex(({ constant }) => constant === -1);
    if (left < 0) return given;
    if (from === null) return null;
    const rest = divide(product(from), product(given.filter((_, axis) => axis !== left)));
    return rest === null ? null : given.with(left, rest);
  }

  /** Begin and step of a Slice along each axis that it cuts. */
  cuts(node: Node, rank: number): readonly Cut[] | null {
    const starts = node.ints("starts")?.map((n) => Polynomial.of(n)) ?? this.vector(node.input(1));
    const ends = node.ints("ends")?.map((n) => Polynomial.of(n)) ?? this.vector(node.input(2));
    if (starts === null || ends === null) return null;
    const axes =
      node.input(3) === null && node.ints("axes") === undefined
        ? starts.map((_, i) => i)
        : this.axes(node, 3, rank);
    const steps = node.input(4) === null ? starts.map(() => 1) : integersOf(node.input(4));
    if (axes === null || steps === null) return null;
    return axes.flatMap((axis, i) => {
      const [start, end, step] = [starts[i], ends[i], steps[i]];
      return start === undefined || end === undefined || step === undefined
        ? []
        : [{ axis, start, end, step }];
    });
  }

  #shapeOfShape(node: Node): Sizes | null {
    const rank = this.of(node.input(0))?.length;
    if (rank === undefined) return null;
    const [start, end] = shapeBounds(node, rank);
    return [Polynomial.of(Math.max(0, end - start))];
  }

  #range(node: Node): Sizes | null {
    const [start, limit, delta] = node.inputs.map((value) =>
      value === null ? null : this.#element(value, []),
    );
    if (start?.kind !== "integer" || limit?.kind !== "integer" || scalarOf(node.input(2)) !== 1) return null;
    return delta?.kind === "integer" ? [limit.value.minus(start.value)] : null;
  }

  #expanded(node: Node): Sizes | null {
    const [from, to] = [this.of(node.input(0)), this.vector(node.input(1))];
    if (from === null || to === null) return null;
    const rank = Math.max(from.length, to.length);
    return Array.from({ length: rank }, (_, axis) => {
      const [own, wanted] = [from[axis - rank + from.length], to[axis - rank + to.length]];
      if (own === undefined) return wanted ?? Polynomial.ONE;
      return wanted === undefined || wanted.constant === 1 || own.constant !== 1 ? own : wanted;
    });
  }

  #flattened(node: Node): Sizes | null {
    const from = this.of(node.input(0));
    if (from === null) return null;
    const axis = node.int("axis") ?? 1;
    const at = axis < 0 ? axis + from.length : axis;
    return [product(from.slice(0, at)), product(from.slice(at))];
  }

  #squeezed(node: Node): Sizes | null {
    const from = this.of(node.input(0));
    if (from === null) return null;
    if (node.op === "Unsqueeze") {
      const count = node.ints("axes")?.length ?? integersOf(node.input(1))?.length ?? 0;
      const axes = this.axes(node, 1, from.length + count);
      if (axes === null) return null;
      const rest = from.values();
      return Array.from({ length: from.length + count }, (_, axis) =>
        axes.includes(axis) ? Polynomial.ONE : (rest.next().value ?? Polynomial.ONE),
      );
    }
    const axes =
      node.input(1) === null && node.ints("axes") === undefined
        ? from.flatMap((size, axis) => (size.constant === 1 ? [axis] : []))
        : this.axes(node, 1, from.length);
    return axes === null ? null : from.filter((_, axis) => !axes.includes(axis));
  }

  #transposed(node: Node): Sizes | null {
    if (node.input(0)?.producer?.op === "NonZero") return this.#found(node);
    const from = this.of(node.input(0));
    if (from === null) return null;
    const order = node.ints("perm") ?? from.map((_, axis) => from.length - 1 - axis);
    const sizes = order.flatMap((axis) => from[axis] ?? []);
    return sizes.length === from.length ? sizes : null;
  }

  #joined(node: Node): Sizes | null {
    const all = node.inputs.map((value) => this.of(value));
    const [first] = all;
    if (first === undefined || first === null || all.some((sizes) => sizes?.length !== first.length))
      return null;
    const axis = axisOf(node, first.length);
    const along = all.reduce((sum, sizes) => sum.plus(sizes?.[axis] ?? Polynomial.ZERO), Polynomial.ZERO);
    return first.with(axis, along);
  }

  #sliced(node: Node): Sizes | null {
    const from = this.of(node.input(0));
    const cuts = from === null ? null : this.cuts(node, from.length);
    if (from === null || cuts === null) return null;
    const sizes = [...from];
    for (const cut of cuts) {
      const size = from[cut.axis];
      const cutSize = size === undefined ? null : sizeOfCut(cut, size);
      if (cutSize === null) return null;
      sizes[cut.axis] = cutSize;
    }
    return sizes;
  }

  #split(node: Node, part: number): Sizes | null {
    const from = this.of(node.input(0));
    if (from === null) return null;
    const axis = axisOf(node, from.length);
    const parts = node.ints("split") ?? integersOf(node.input(1));
    if (parts !== null) return from.with(axis, Polynomial.of(parts[part] ?? 0));
    const size = from[axis]?.constant ?? null;
    const even = size === null ? null : size / node.outputs.length;
    return even === null || !Number.isInteger(even) ? null : from.with(axis, Polynomial.of(even));
  }

  #repeated(node: Node): Sizes | null {
    const [from, repeats] = [this.of(node.input(0)), this.vector(node.input(1))];
    if (from === null || repeats?.length !== from.length) return null;
    return from.map((size, axis) => size.times(repeats[axis] ?? Polynomial.ONE));
  }

  #best(node: Node): Sizes | null {
    const [from, count] = [this.of(node.input(0)), this.vector(node.input(1))?.[0]];
    return from === null || count === undefined ? null : from.with(axisOf(node, from.length, -1), count);
  }

  /** Of step one, with padding that is stated. */
  #convolved(node: Node): Sizes | null {
    const [from, weight] = [this.of(node.input(0)), this.of(node.input(1))];
    const [rows, channels] = [from?.[0], weight?.[0]];
    const isPlain = (node.string("auto_pad") ?? "NOTSET") === "NOTSET";
    if (!from || !weight || !rows || !channels || !isPlain) return null;
    if (node.ints("strides")?.some((step) => step !== 1) === true) return null;
    const pads = node.ints("pads") ?? [];
    const sizes = from.slice(2).map((size, axis) => {
      const kernel = weight[axis + 2]?.constant ?? null;
      if (kernel === null) return null;
      const padding = (pads[axis] ?? 0) + (pads[axis + from.length - 2] ?? 0);
      return size.plus(Polynomial.of(padding - (kernel - 1) * (node.ints("dilations")?.[axis] ?? 1)));
    });
    const known = sizes.filter((size) => size !== null);
    return known.length < sizes.length ? null : [rows, channels, ...known];
  }

  #reduced(node: Node): Sizes | null {
    const from = this.of(node.input(0));
    const isGiven = node.input(1) !== null || node.ints("axes") !== undefined;
    const axes = from === null ? null : isGiven ? this.axes(node, 1, from.length) : [...from.keys()];
    if (from === null || axes === null) return null;
    // Of no axes it depends on an attribute whether all are meant.
    if (axes.length === 0 || (!isGiven && node.int("noop_with_empty_axes") === 1)) return null;
    if (node.int("keepdims") === 0) return from.filter((_, axis) => !axes.includes(axis));
    return from.map((size, axis) => (axes.includes(axis) ? Polynomial.ONE : size));
  }

  #gathered(node: Node): Sizes | null {
    const [data, indices] = [this.of(node.input(0)), this.of(node.input(1))];
    if (data === null || indices === null) return null;
    const axis = axisOf(node, data.length, 0);
    return [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
  }

  #gatheredAt(node: Node): Sizes | null {
    if (node.op === "GatherElements") return this.of(node.input(1));
    const [data, indices] = [this.of(node.input(0)), this.of(node.input(1))];
    const length = indices?.at(-1)?.constant;
    if (data === null || !indices || length === null || length === undefined) return null;
    if ((node.int("batch_dims") ?? 0) !== 0) return null;
    return [...indices.slice(0, -1), ...data.slice(length)];
  }

  /** The shape of places where a condition holds: of them all where it does everywhere, else unknown. */
  #found(node: Node): Sizes | null {
    const all = allPlaces(node.output(0), (value) => this.of(value), this.#element);
    if (all === null) return null;
    return [Polynomial.of(all.reduce((count, size) => count * size, 1)), Polynomial.of(all.length)];
  }
}

/** Sizes that are broadcast to each other. One that is no number is taken for more than one. */
function together(all: readonly Sizes[]): Sizes {
  const rank = Math.max(0, ...all.map((sizes) => sizes.length));
  return Array.from({ length: rank }, (_, axis) => {
    const along = all.flatMap((sizes) => sizes[axis - rank + sizes.length] ?? []);
    return along.find(({ constant }) => constant !== 1) ?? Polynomial.ONE;
  });
}

/** Which dimensions a Shape gives. */
export function shapeBounds(node: Node, rank: number): readonly [start: number, end: number] {
  const [start, end] = [node.int("start") ?? 0, node.int("end") ?? rank];
  return [start < 0 ? start + rank : start, end < 0 ? end + rank : Math.min(end, rank)];
}

/** The axis attribute, counted from 0. */
export function axisOf(node: Node, rank: number, otherwise = 0): number {
  const axis = node.int("axis") ?? otherwise;
  return axis < 0 ? axis + rank : axis;
}

export function product(sizes: Sizes): Polynomial {
  return sizes.reduce((all, size) => all.times(size), Polynomial.ONE);
}

function divide(all: Polynomial, by: Polynomial): Polynomial | null {
  const divided = all.divided(by);
  if (divided?.rest.constant === 0) return divided.quotient;
  return all.equals(by) ? Polynomial.ONE : null;
}
