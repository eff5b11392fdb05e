import { attribute } from "../../../ir/attribute.ts";
import type { Builder } from "../../../ir/builder.ts";
import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import type { Vjp } from "../../rule.ts";
import { mul, sub } from "../../terms.ts";
import type { Linear } from "./combine.ts";

/** The products of an op's experts; fc3 where it has one. */
export interface Linears {
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly fc3: Linear | null;
}

/** Where a product's operands are; a bias or zero points may be left out. */
interface Operands {
  readonly weight: number;
  readonly bias: number;
  readonly scales?: number;
  readonly zeros?: number;
}

const floats = { fc1: { weight: 2, bias: 3 }, fc2: { weight: 4, bias: 5 }, fc3: { weight: 6, bias: 7 } };
const quantized = {
  fc1: { weight: 2, scales: 3, bias: 4, zeros: 11 },
  fc2: { weight: 5, scales: 6, bias: 7, zeros: 12 },
  fc3: { weight: 8, scales: 9, bias: 10, zeros: 13 },
};

export function linearsOf({ node }: Vjp): Linears {
  const isQuantized = node.opType === "QMoE";
  const places: Readonly<Record<"fc1" | "fc2" | "fc3", Operands>> = isQuantized ? quantized : floats;
  const linear = (name: "fc1" | "fc2" | "fc3"): Linear => ({
    of: (b, operands, rows, expert) => {
      const at = places[name];
      const weight = isQuantized
        ? dequantized(b, node, name, { operands, at, expert, like: rows })
        : ofExpert(b, operands[at.weight] ?? null, expert, "weight");
      if (weight === null) throw new Error(`${node.op} has no weight of ${name}`);
      const bias = ofExpert(b, operands[at.bias] ?? null, expert, "bias");
      const all = bias === null ? [rows, weight] : [rows, weight, bias];
      return b.op("Gemm", all, name, { transB: attribute.int(1) });
    },
  });
  const hasThird = node.input(places.fc3.weight) !== null;
  return { fc1: linear("fc1"), fc2: linear("fc2"), fc3: hasThird ? linear("fc3") : null };
}

/** What a tensor of all experts holds for one. */
function ofExpert(b: Builder, all: Value | null, expert: Value, name: string): Value | null {
  return all === null ? null : b.op("Squeeze", [b.gather(all, expert, `${name}_row`), b.ints([0])], name);
}

interface Quantized {
  readonly operands: readonly (Value | null)[];
  readonly at: Operands;
  readonly expert: Value;
  /** Of whose type the weight is. */
  readonly like: Value;
}

/** An expert's weight `[out, in]`: `(q − zero point) · scale`, of each row, or of each block of it. */
function dequantized(
  b: Builder,
  node: Node,
  name: string,
  { operands, at, expert, like: rows }: Quantized,
): Value | null {
  const bits = node.int(`${name}_expert_weight_bits`) ?? node.int("expert_weight_bits") ?? 4;
  const [packed, scales, zeros] = [at.weight, at.scales ?? -1, at.zeros ?? -1].map((i) =>
    ofExpert(b, operands[i] ?? null, expert, "part"),
  );
  if (!packed || !scales) return null;
  const isBlocked = (node.int("block_size") ?? 0) > 0;
  const out = b.dim(packed, 0, "out");
  const numbers = unpacked(b, packed, bits);
  // [out, blocks, block], and one scale for each block
  const blocks = isBlocked ? b.dim(scales, 1, "blocks") : b.ints([1]);
  const shaped = b.op("Reshape", [numbers, b.concat([out, blocks, b.ints([-1])], 0, "sizes")], "blocks_of");
  const column = b.concat([out, blocks, b.ints([1])], 0, "column");
  const point = zeros
    ? b.op("Reshape", [pointsOf(b, zeros, { out, blocks, bits, isBlocked }), column], "points")
    : b.constant("int32", [], [2 ** (bits - 1)], "middle");
  const centered = b.op("CastLike", [sub(b, shaped, point), rows], "centered");
  const scale = b.op("CastLike", [b.op("Reshape", [scales, column], "scale_column"), rows], "scale");
  const weight = mul(b, centered, scale, "blocks_scaled");
  return b.op("Reshape", [weight, b.concat([out, b.ints([-1])], 0, "weight_sizes")], "weight");
}

interface Blocks {
  readonly out: Value;
  readonly blocks: Value;
  readonly bits: number;
  readonly isBlocked: boolean;
}

/** Zero points, packed as weights are; the last byte of a row may hold more than there are. */
function pointsOf(b: Builder, zeros: Value, { out, blocks, bits, isBlocked }: Blocks): Value {
  const numbers = unpacked(b, zeros, bits);
  return isBlocked ? b.slice(numbers, 0, blocks, 1, "points") : b.slice(numbers, 0, out, 0, "points");
}

/** Whole numbers that lie in bytes along the last axis, the lowest bits first. */
function unpacked(b: Builder, bytes: Value, bits: number): Value {
  const whole = b.cast(bytes, "int32", "bytes");
  if (bits === 8) return whole;
  const parts = Array.from({ length: 8 / bits }, (_, i) => {
    const above = b.op("Div", [whole, b.constant("int32", [], [2 ** (bits * i)], "unit")], "above");
    const own = b.op("Mod", [above, b.constant("int32", [], [2 ** bits], "range")], "own");
    return b.unsqueeze(own, [-1], "digit");
  });
  const sizes = b.concat([b.dims(bytes, 0, -1, "front"), b.ints([-1])], 0, "sizes");
  return b.op("Reshape", [b.concat(parts, -1, "digits"), sizes], "numbers");
}
