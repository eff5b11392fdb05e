import { attribute } from "../ir/attribute.ts";
import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import type { Sizes } from "../recognize/symbolic/shapes.ts";

/** How a gradient of a broadcast result becomes one of the operand: null where only a run can tell. */
interface Reduction {
  /** Axes of the result that the operand does not have. */
  readonly dropped: number;
  /** Axes of the result along which the operand has one element, and the result may have more. */
  readonly axes: readonly number[];
}

/**
 * Sums a gradient over the axes along which an operand was broadcast: the transpose of broadcasting.
 *
 * @param gradient of the result's shape
 * @param operand the operand, of whose shape the sum is; read only where the shapes do not tell the axes
 * @param from the result's sizes, as far as they are known
 * @param to the operand's
 */
export function sumTo(
  b: Builder,
  gradient: Value,
  operand: () => Value,
  from: Sizes | null,
  to: Sizes | null,
): Value {
  const reduction = from === null || to === null ? null : reductionOf(from, to);
  if (reduction === null) return summedAtRun(b, gradient, operand());
  const { dropped, axes } = reduction;
  const kept = axes.length === 0 ? gradient : b.op("ReduceSum", [gradient, b.ints(axes)], "summed");
  if (dropped === 0) return kept;
  const leading = Array.from({ length: dropped }, (_, axis) => axis);
  return b.op("ReduceSum", [kept, b.ints(leading)], "summed", { keepdims: attribute.int(0) });
}

/**
 * Whether an operand's sizes that are no numbers stay what they are beside another operand: one of another size might be
 * more where the operand, in some run, has 1.
 */
export function keepsSizes(own: Sizes, other: Sizes): boolean {
  return own.every((size, axis) => {
    const beside = other[axis - own.length + other.length];
    return size.constant !== null || beside === undefined || beside.constant === 1 || beside.equals(size);
  });
}

function reductionOf(from: Sizes, to: Sizes): Reduction | null {
  const dropped = from.length - to.length;
  if (dropped < 0) return null;
  const axes: number[] = [];
  for (const [i, own] of to.entries()) {
    const result = from[i + dropped];
    if (result === undefined) return null;
    if (own.equals(result)) continue;
    // A size that is no number may be 1 in one run and more in another.
    if (own.constant === null) return null;
    if (own.constant === 1) axes.push(i + dropped);
    else if (result.constant !== null) return null;
  }
  return { dropped, axes };
}

/** Axes that the operand has with one element, or not at all, found by its shape in the run. */
function summedAtRun(b: Builder, gradient: Value, operand: Value): Value {
  const [from, to] = [b.op("Shape", [gradient], "sizes"), b.op("Shape", [operand], "own_sizes")];
  // The rank as the size of the shape: of Size, onnxruntime's shape inference takes the elements for it.
  const [rank, own] = [b.op("Shape", [from], "rank"), b.op("Shape", [to], "own_rank")];
  const ones = b.op("Expand", [b.int(1), b.op("Sub", [rank, own], "missing_axes")], "ones");
  const padded = b.concat([ones, to], 0, "padded_sizes");
  const differs = b.op("Not", [b.op("Equal", [padded, from], "is_same")], "is_summed");
  const axes = b.op("Squeeze", [b.op("NonZero", [differs], "places"), b.ints([0])], "axes");
  const noop = attribute.int(1);
  const summed = b.op("ReduceSum", [gradient, axes], "summed", { noop_with_empty_axes: noop });
  return b.op("Reshape", [summed, to], "summed_back", { allowzero: attribute.int(1) });
}
