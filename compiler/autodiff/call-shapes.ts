import { cloneNode, type ValueMap } from "../ir/clone.ts";
import type { Graph } from "../ir/graph.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Value } from "../ir/value.ts";
import { integersOf } from "../ops/constant.ts";
import type { ShapeLike, Shapes, ShapesLike, Sizes } from "../recognize/symbolic/shapes.ts";

/** Where a result has the shape of an operand, but for its last axis perhaps. */
interface ResultLike {
  readonly operand: number;
  readonly width: number | null;
}

/**
 * Shapes of what calls of functions make, and of what functions hold. A function's values have no types, and sizes that it
 * works with are often given to it: so a copy of what it holds is written out for the call, in a graph of its own, and
 * shapes are read there. {@link dispose} removes the copies.
 */
export class CallShapes {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #known = new Map<string, readonly (ResultLike | null)[]>();
  readonly #copies: Graph[] = [];

  constructor(model: Model, rw: Rewriter) {
    this.#model = model;
    this.#rw = rw;
  }

  /**
   * Learns the shapes of what the calls among some nodes make. In the order of the nodes, so that no question for a shape
   * goes deep.
   *
   * @param like is told
   */
  learn(nodes: Iterable<Node>, shapes: Shapes, like: Map<Value, ShapeLike>): void {
    for (const node of nodes) {
      const func = this.#model.callee(node);
      if (func !== undefined) this.#learnCall(node, func, shapes, like);
      else for (const value of node.outputs) shapes.of(value);
    }
  }

  /** A text that is the same for calls whose operands have the same shapes, and the same numbers where those are sizes. */
  keyOf(call: Node, shapes: Shapes, like: ShapesLike): string {
    return call.inputs.map((value) => `${sizesText(shapes.of(value))}${numbersText(value, like)}`).join(";");
  }

  /** The shapes of all that a function holds, as a call has them. */
  inside(call: Node, func: Func, shapes: Shapes, around: Map<Value, ShapeLike>): ShapesLike {
    const twins = this.#copied(call, func, around);
    this.learn(this.#copies.at(-1)?.nodes ?? [], shapes, around);
    const like = new Map<Value, ShapeLike>();
    for (const [value, twin] of twins) if (twin !== null) like.set(value, { of: twin });
    return like;
  }

  /** Removes the copies, with what was asked of them. */
  dispose(): void {
    for (const graph of this.#copies.toReversed())
      for (const node of [...graph.nodes].reverse()) this.#rw.remove(node);
    this.#copies.length = 0;
  }

  #learnCall(call: Node, func: Func, shapes: Shapes, like: Map<Value, ShapeLike>): void {
    const key = `${func.key} ${this.keyOf(call, shapes, like)}`;
    let results = this.#known.get(key);
    if (results === undefined) {
      const inside = this.inside(call, func, shapes, like);
      const sizes = call.inputs.map((value) => shapes.of(value));
      const made = func.body.outputs.map((value) => inside.get(value)?.of ?? null);
      results = made.map((value) => likeOperand(shapes.of(value), sizes));
      this.#known.set(key, results);
      // The copy says it of this call, whatever it is.
      made.forEach((of, i) => {
        const value = call.outputs[i];
        if (value !== undefined && of !== null) like.set(value, { of });
      });
      return;
    }
    results.forEach((result, i) => {
      const [value, of] = [call.outputs[i], result === null ? null : call.input(result.operand)];
      if (value === undefined || of === null || result === null) return;
      like.set(value, { of, isOther: true, ...(result.width === null ? {} : { width: result.width }) });
    });
  }

  #copied(call: Node, { body }: Func, like: ShapesLike): ValueMap {
    const rw = this.#rw;
    const copy = rw.graph(call.loc, "shapes");
    this.#copies.push(copy);
    const map: ValueMap = new Map();
    body.inputs.forEach((value, i) => {
      map.set(value, original(call.input(i), like));
    });
    for (const node of body.nodes) rw.append(copy, cloneNode(rw, node, map, node.loc));
    return map;
  }
}

/** The value that another one stands for, whose numbers may be known. */
function original(value: Value | null, like: ShapesLike): Value | null {
  let at = value;
  for (
    let next = value === null ? undefined : like.get(value);
    next !== undefined;
    next = like.get(next.of)
  ) {
    if (next.isOther === true || next.width !== undefined) return at;
    at = next.of;
  }
  return at;
}

/** A text that is the same for equal shapes. */
function sizesText(sizes: Sizes | null): string {
  return sizes?.map(({ key }) => key).join() ?? "?";
}

/** The numbers of a short constant vector, which may be sizes. */
function numbersText(value: Value | null, like: ShapesLike): string {
  const numbers = integersOf(original(value, like));
  return numbers === null || numbers.length > 16 ? "" : `=${numbers.join()}`;
}

function likeOperand(sizes: Sizes | null, operands: readonly (Sizes | null)[]): ResultLike | null {
  if (sizes === null) return null;
  const same = (one: Sizes | null, upTo: number): boolean =>
    one?.length === sizes.length &&
    one.slice(0, upTo).every((size, axis) => size.equals(sizes[axis] ?? size));
  const whole = operands.findIndex((one) => same(one, sizes.length));
  if (whole >= 0) return { operand: whole, width: null };
  const width = sizes.at(-1)?.constant ?? null;
  const rows = width === null ? -1 : operands.findIndex((one) => same(one, sizes.length - 1));
  return rows < 0 ? null : { operand: rows, width };
}
