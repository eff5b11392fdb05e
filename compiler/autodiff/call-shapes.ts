import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { Elements } from "../recognize/symbolic/elements.ts";
import type { ShapeLike, Shapes, ShapesLike, Sizes } from "../recognize/symbolic/shapes.ts";

/**
 * Learns the shapes of what calls of functions make, in the order of the nodes: a result has the shape of an operand, but
 * for its last axis perhaps, or is not understood.
 *
 * @param like is told
 */
export function callShapes(
  model: Model,
  nodes: readonly Node[],
  shapes: Shapes,
  like: Map<Value, ShapeLike>,
): void {
  const known = new Map<string, readonly (ResultLike | null)[]>();
  for (const node of nodes) {
    const func = model.callee(node);
    if (func === undefined) {
      // Asked in order, no answer goes deep.
      for (const value of node.outputs) shapes.of(value);
      continue;
    }
    const sizes = node.inputs.map((value) => shapes.of(value));
    const key = `${func.key} ${sizes.map((one) => one?.map(({ key: text }) => text).join() ?? "?").join(";")}`;
    let results = known.get(key);
    if (results === undefined) {
      const inner = new Map([...like, ...operandsLike(node, func)]);
      // What calls inside make is told of before what reads it.
      const within = new Elements(inner).shapes;
      callShapes(model, [...func.body.nodes], within, inner);
      results = func.body.outputs.map((value) => likeOperand(within.of(value), sizes));
      known.set(key, results);
    }
    results.forEach((result, i) => {
      const [value, of] = [node.outputs[i], result === null ? null : node.input(result.operand)];
      if (value === undefined || of === null || result === null) return;
      like.set(value, { of, ...(result.width === null ? {} : { width: result.width }) });
    });
  }
}

/** The shapes of a function's parameters, by what a call gives for them. */
export function operandsLike(call: Node, { body }: Func): ShapesLike {
  const like = new Map<Value, ShapeLike>();
  body.inputs.forEach((value, i) => {
    const given = call.input(i);
    if (given !== null) like.set(value, { of: given });
  });
  return like;
}

interface ResultLike {
  readonly operand: number;
  readonly width: number | null;
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
