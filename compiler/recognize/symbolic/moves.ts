import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { allPlaces } from "./all-places.ts";
import { beginOf } from "./cuts.ts";
import type { Expression } from "./expression.ts";
import { alignedTo, indexBefore, type Extents } from "./indices.ts";
import { Polynomial } from "./polynomial.ts";
import { axisOf, product, type ReadElement, type Shapes } from "./shapes.ts";

type Index = readonly Polynomial[];

/** An element of a value: where an op took one of its own from. */
export interface Place {
  readonly value: Value;
  readonly index: Index;
}

/** Where ops that only put elements elsewhere take each of theirs from. */
export class Moves {
  readonly #shapes: Shapes;
  readonly #element: ReadElement;
  readonly #extents: Extents;

  /**
   * @param element reads what says where elements are taken from: the indices of a Gather
   * @param extents how many values an index takes, by its symbol
   */
  constructor(shapes: Shapes, element: ReadElement, extents: Extents) {
    this.#shapes = shapes;
    this.#element = element;
    this.#extents = extents;
  }

  /** Where a node took the element of its result from; null where it does something else, or that cannot be said. */
  before(node: Node, value: Value, index: Index): Place | null {
    const input = node.input(0);
    if (input === null) return null;
    if (node.op === "Identity") return { value: input, index };
    if (node.op === "Concat") return this.#joined(node.inputs, axisOf(node, index.length), index);
    if (node.op === "ConcatFromSequence") return this.#fromSequence(node, input, index);
    const at = this.#before(node, value, index);
    return at === null ? null : { value: input, index: at };
  }

  /** The same of ops that take all their elements from their first operand. */
  #before(node: Node, value: Value, index: Index): Index | null {
    const sizes = this.#shapes.of(node.input(0));
    if (sizes === null) return null;
    switch (node.op) {
      case "Expand":
        return alignedTo(sizes, index);
      case "Unsqueeze":
      case "Squeeze":
      case "Reshape":
      case "Flatten": {
        const to = this.#shapes.of(value);
        return to === null ? null : indexBefore(sizes, to, index, this.#extents);
      }
      case "Transpose": {
        const order = node.ints("perm") ?? sizes.map((_, axis) => sizes.length - 1 - axis);
        return sizes.map((_, axis) => index[order.indexOf(axis)] ?? Polynomial.ZERO);
      }
      case "Slice":
        return this.#sliced(node, sizes, index);
      case "Split":
        return this.#split(node, value, index);
      case "Gather":
        return this.#gathered(node, sizes, index);
      case "GatherND":
        return this.#gatheredAt(node, index);
      default:
        return null;
    }
  }

  #sliced(node: Node, sizes: Index, index: Index): Index | null {
    const cuts = this.#shapes.cuts(node, sizes.length);
    if (cuts === null) return null;
    const at = [...index];
    for (const cut of cuts) {
      const [place, size] = [index[cut.axis], sizes[cut.axis]];
      if (place === undefined || size === undefined) return null;
      const begin =
        cut.step < 0 && cut.start.constant === -1 ? size.minus(Polynomial.ONE) : beginOf(cut, size);
      at[cut.axis] = begin.plus(place.scaled(cut.step));
    }
    return at;
  }

  #split(node: Node, value: Value, index: Index): Index | null {
    const axis = axisOf(node, index.length);
    let place = index[axis];
    for (const part of node.outputs) {
      if (place === undefined || part === value) break;
      const size = this.#shapes.of(part)?.[axis];
      place = size === undefined ? undefined : place.plus(size);
    }
    return place === undefined ? null : index.with(axis, place);
  }

  /** An element of a joined value, where the index says which part it is in. */
  #joined(parts: readonly (Value | null)[], axis: number, index: Index): Place | null {
    const place = index[axis];
    if (place === undefined) return null;
    const [least, most] = [place.coefficient(""), place.constant ?? place.largest(this.#extents)];
    let begin = 0;
    for (const value of parts) {
      const length = this.#shapes.of(value)?.[axis]?.constant ?? null;
      if (value === null || length === null || most === null || least < begin) return null;
      if (most < begin + length) return { value, index: index.with(axis, place.minus(Polynomial.of(begin))) };
      begin += length;
    }
    return null;
  }

  #fromSequence(node: Node, sequence: Value, index: Index): Place | null {
    const made = sequence.producer;
    if (made?.op !== "SequenceConstruct" || node.int("new_axis") === 1) return null;
    return this.#joined(made.inputs, axisOf(node, index.length), index);
  }

  #gathered(node: Node, sizes: Index, index: Index): Index | null {
    const axis = axisOf(node, sizes.length);
    const indices = node.input(1);
    const rank = this.#shapes.of(indices)?.length;
    const size = sizes[axis];
    if (indices === null || rank === undefined || size === undefined) return null;
    const place = integerOf(this.#element(indices, index.slice(axis, axis + rank)));
    if (place === null) return null;
    const from = (place.constant ?? 0) < 0 ? size.plus(place) : place;
    return [...index.slice(0, axis), from, ...index.slice(axis + rank)];
  }

  #gatheredAt(node: Node, index: Index): Index | null {
    const indices = node.input(1);
    const all = allPlaces(indices, (value) => this.#shapes.of(value), this.#element)?.map((size) =>
      Polynomial.of(size),
    );
    if (all !== undefined) {
      const own = indexBefore(all, [product(all)], index.slice(0, 1), this.#extents);
      return own === null ? null : [...own, ...index.slice(1)];
    }
    const sizes = this.#shapes.of(indices);
    const length = sizes?.at(-1)?.constant;
    if (indices === null || !sizes || length === null || length === undefined) return null;
    if ((node.int("batch_dims") ?? 0) !== 0) return null;
    const own = index.slice(0, sizes.length - 1);
    const places = Array.from({ length }, (_, i) =>
      integerOf(this.#element(indices, [...own, Polynomial.of(i)])),
    );
    const known = places.filter((one) => one !== null);
    return known.length < length ? null : [...known, ...index.slice(sizes.length - 1)];
  }
}

function integerOf(expression: Expression): Polynomial | null {
  return expression.kind === "integer" ? expression.value : null;
}
