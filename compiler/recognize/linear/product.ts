import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { has } from "../../ops/table.ts";
import type { InnerLinear } from "../../sites/site.ts";

/** How a projection in a function multiplies with its weight. */
export interface Product {
  /** The node that multiplies. */
  readonly node: Node;
  /** The weight as that node reads it: of a quantized one its integers. */
  readonly matrix: Value;
  /** Whether it reads it as `[in, out]`. */
  readonly isInFirst: boolean;
  /** The projection's result without its bias, or with it, where no value is without. */
  readonly value: Value;
  /** What is in `value` and does not belong to the product; null where there is no bias, or none in it. */
  readonly bias: Value | null;
}

/** What multiplies with a matrix that is there as one. */
const plain: ReadonlySet<string> = new Set(["MatMul", "Gemm", "com.microsoft::FusedMatMul"]);

/** The op whose weight is there as integers, with scales. Its bias is an operand of its own. */
export const QUANTIZED_PRODUCT = "com.microsoft::MatMulNBits";
const QUANTIZED_BIAS = 5;

/** The product of a projection with its weight; else why there is none, as a clause. */
export function productOf({ reader, output, hasLora }: InnerLinear): Product | string {
  if (hasLora) return "the graph adds LoRA of its own there";
  const maker = output.producer;
  const [node, matrix, value] = [reader, reader.input(1), reader.output(0)];
  const isMaker = maker === reader || (maker?.op === "Add" && maker.inputs.includes(value));
  const isQuantized = node.op === QUANTIZED_PRODUCT;
  if (!(plain.has(node.op) || isQuantized) || !isMaker || matrix === null || value === null)
    return "its weight is quantized";
  if (isQuantized) return { node, matrix, isInFirst: false, value, bias: node.input(QUANTIZED_BIAS) };
  const bias = node.op === "Gemm" ? node.input(2) : null;
  if (bias !== null && (node.float("beta") ?? 1) !== 1) return "its bias is scaled";
  return { node, matrix, isInFirst: node.int("transB") !== 1, value, bias };
}

/** What the weight in a function comes from: one of its parameters, which a matrix goes through views and casts from. */
export function parameterOf(
  matrix: Value,
): { readonly parameter: Value; readonly isTurned: boolean } | string {
  let [value, isTurned] = [matrix, false];
  for (let node = value.producer; node !== null; node = value.producer) {
    const source = node.input(0);
    if (node.op === "DequantizeLinear") return "its weight is quantized (DequantizeLinear)";
    if (source === null || !has(node, "same-numbers")) return `the graph computes on its weight (${node.op})`;
    if (node.op === "Transpose") isTurned = !isTurned;
    value = source;
  }
  return { parameter: value, isTurned };
}
