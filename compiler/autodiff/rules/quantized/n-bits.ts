import { attribute } from "../../../ir/attribute.ts";
import { isFloat } from "../../../ir/dtype.ts";
import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import { lateRange, lateReshape } from "../../late.ts";
import type { Rule, Vjp } from "../../rule.ts";
import { like, mul, sub } from "../../terms.ts";
import { matrixOf } from "../matrices.ts";

/** (x, weight, scales, zero_points, g_idx, bias) */
const AT = { weight: 1, scales: 2, zeros: 3, order: 4, bias: 5 } as const;

/**
 * `com.microsoft::MatMulNBits`: Y = X · Wᵀ of a weight `[N, K]` that is stored in blocks of few bits. dX = dY · W, for which
 * the weight becomes floats when the gradient is there, and no earlier: they are gone again behind the product.
 */
export const nBitsRule: Rule = {
  by: (node) => [0, AT.bias].filter((i) => node.input(i) !== null),
  refuses: (node: Node) => {
    const { bits } = formOf(node);
    if (node.input(AT.order) !== null) return "its columns have an order of their own, `g_idx`";
    return bits === 4 || bits === 8 ? null : `its weight has ${bits} bits`;
  },
  write: (at) => {
    const { b, dy } = at;
    if (at.wants(0)) {
      const { columns, width } = formOf(at.node);
      const wide = b.op("MatMul", [dy, weightOf(at)], "dx");
      at.give(0, width === columns ? wide : b.slice(wide, 0, columns, -1, "dx_columns"));
    }
    if (at.wants(AT.bias)) at.give(AT.bias, b.sum(matrixOf(b, dy), [0], "dbias"));
  },
};

interface NBitsForm {
  readonly bits: number;
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  /** Of a row. */
  readonly blocks: number;
  /** Columns that are stored: the last block may be longer than its columns are. */
  readonly width: number;
}

function formOf(node: Node): NBitsForm {
  const [rows, columns] = [node.int("N") ?? 0, node.int("K") ?? 0];
  const blockSize = node.int("block_size") ?? 32;
  const blocks = Math.ceil(columns / blockSize);
  return { bits: node.int("bits") ?? 4, rows, columns, blockSize, blocks, width: blocks * blockSize };
}

/** The weight in floats, `[N, width]`: all rows of an embedding that is stored alike. */
function weightOf(at: Vjp): Value {
  const { b, dy, node } = at;
  const { bits, rows, blockSize, blocks, width } = formOf(node);
  const bytes = lateReshape(b, at.x(AT.weight), [rows, (width * bits) / 8], dy);
  const scales = matrix(at, AT.scales, rows, blocks);
  const hasZeros = node.input(AT.zeros) !== null;
  const type = hasZeros ? at.typeOf(AT.zeros) : null;
  const areFloats = type !== null && isFloat(type);
  const zeros = hasZeros && !areFloats ? matrix(at, AT.zeros, rows, Math.ceil((blocks * bits) / 8)) : null;
  const inputs = [bytes, lateRange(b, rows, dy), scales, ...(zeros === null ? [] : [zeros])];
  const weight = b.op("com.microsoft::GatherBlockQuantized", inputs, "weight", {
    gather_axis: attribute.int(0),
    quantize_axis: attribute.int(1),
    block_size: attribute.int(blockSize),
    bits: attribute.int(bits),
  });
  return areFloats ? withFloatZeros(at, weight, scales) : weight;
}

/** Without zero points the middle of the range is subtracted: the rest of (q − z) · s is (middle − z) · s. */
function withFloatZeros(at: Vjp, weight: Value, scales: Value): Value {
  const { b } = at;
  const { bits, rows, blockSize, blocks, width } = formOf(at.node);
  const zeros = matrix(at, AT.zeros, rows, blocks);
  const rest = mul(b, sub(b, like(b, 2 ** (bits - 1), scales), zeros), scales, "rest");
  const split = b.reshape(weight, [rows, blocks, blockSize], "weight_blocks");
  const whole = b.op("Add", [split, b.unsqueeze(rest, [-1], "rest_blocks")], "weight_moved");
  return b.reshape(whole, [rows, width], "weight_whole");
}

/** An operand as a matrix; older exporters store it flat. */
function matrix(at: Vjp, operand: number, rows: number, columns: number): Value {
  const x = at.x(operand);
  const isMatrix = at.shapes.of(at.node.input(operand))?.length === 2;
  return isMatrix ? x : at.b.reshape(x, [rows, columns], "as_matrix");
}
