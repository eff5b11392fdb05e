import { dtypeOf, type DType } from "../../../ir/dtype.ts";
import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import { byFirst, type Rule, type Vjp } from "../../rule.ts";
import { div, like, mul } from "../../terms.ts";

/** The least and the greatest number of a type that is quantized to. */
const ranges: Partial<Record<DType, readonly [number, number]>> = {
  uint4: [0, 15],
  int4: [-8, 7],
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
};

function inBlocks(node: Node): string | null {
  return (node.int("block_size") ?? 0) > 0 ? "its numbers are scaled in blocks" : null;
}

/**
 * `QuantizeLinear`: straight through the rounding, and nothing where a number was beyond the range. A gradient of whole
 * numbers is one of floats: of the number before it was rounded.
 */
export const quantizeRule: Rule = {
  by: byFirst,
  refuses: inBlocks,
  write: (at) => {
    const { b, dy } = at;
    const scale = scaleOf(at);
    const range = ranges[typeOf(at)];
    const dx = div(b, dy, scale, "dx");
    if (range === undefined) {
      at.give(0, dx);
      return;
    }
    const [least, most] = range;
    const middle = like(b, (least + most) / 2, scale);
    const zero = at.node.input(2) === null ? null : along(at, b.op("CastLike", [at.x(2), scale], "zero"), 2);
    const moved = zero === null ? b.op("Neg", [middle], "move") : b.op("Sub", [zero, middle], "move");
    const place = b.op("Add", [div(b, at.x(0), scale), moved], "place");
    const half = like(b, (most - least) / 2 + 0.5, scale);
    const isInside = b.op("LessOrEqual", [b.op("Abs", [place], "distance"), half], "is_inside");
    at.give(0, b.op("Where", [isInside, dx, like(b, 0, scale)], "dx_inside"));
  },
};

/** `DequantizeLinear` of what was quantized in the graph: scale and zero point are constants. */
export const dequantizeRule: Rule = {
  by: byFirst,
  refuses: inBlocks,
  write: (at) => {
    at.give(0, mul(at.b, at.dy, scaleOf(at), "dq"));
  },
};

/** `DynamicQuantizeLinear`: what it makes spans what it takes, and its scale is taken for a constant. */
export const dynamicQuantizeRule: Rule = {
  by: byFirst,
  varies: [0],
  write: (at) => {
    at.give(0, div(at.b, at.dy, at.y(1), "dx"));
  },
};

function scaleOf(at: Vjp): Value {
  return along(at, at.x(1), 1);
}

/** One number, or a number for each place along an axis, so that it is broadcast. */
function along(at: Vjp, x: Value, operand: number): Value {
  const { node, shapes, b } = at;
  if (shapes.of(node.input(operand))?.length === 0) return x;
  const [axis, rank] = [node.int("axis") ?? 1, shapes.of(node.input(0))?.length ?? null];
  const behind = axis < 0 ? -axis - 1 : rank === null ? 0 : rank - axis - 1;
  return behind <= 0 ? x : b.reshape(x, [-1, ...Array<number>(behind).fill(1)], "along_axis");
}

/** The type that is quantized to. */
function typeOf(at: Vjp): DType {
  const zero = at.node.input(2) === null ? null : at.typeOf(2);
  return zero ?? dtypeOf(at.node.int("output_dtype") ?? 0) ?? "uint8";
}
