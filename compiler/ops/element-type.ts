import { dtypeOf, type DType } from "../ir/dtype.ts";
import type { Node } from "../ir/node.ts";
import { asTensor } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { constantOf } from "./constant.ts";
import { search } from "./search.ts";
import { has, opOf } from "./table.ts";

/** A type that only a longer chain of ops would tell counts as unknown. */
const FURTHEST = 64;

/** Ops whose result has the type of their first operand, beside those whose traits say so. */
const likeFirst: ReadonlySet<string> = new Set([
  "Gemm",
  "Softmax",
  "TensorScatter",
  "Range",
  "Cos",
  "Sin",
  "com.microsoft::MatMulNBits",
]);

/** Ops whose result says what is true. */
const truths: ReadonlySet<string> = new Set([
  ...["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "And", "Or", "Xor", "Not", "IsNaN"],
]);

/** The element type of a value, as it declares or as the ops before it make it; null when neither tells. */
export function elementTypeOf(value: Value | null): DType | null {
  const type = search<DType>(FURTHEST, (at, above) => {
    const declared = asTensor(at.type)?.dtype ?? at.constant?.dtype ?? constantOf(at)?.dtype;
    if (declared !== undefined) return declared;
    const node = at.producer;
    if (node === null) return null;
    if (node.op === "Cast") return dtypeOf(node.int("to") ?? 0) ?? null;
    if (node.op === "MatMulInteger" || node.op === "ConvInteger") return "int32";
    if (node.op === "Shape" || node.op === "Size") return "int64";
    if (node.op === "ConstantOfShape") return filling(node);
    if (truths.has(node.op)) return "bool";
    const operand = likeOperand(node, at);
    return operand === null ? null : above(node.input(operand));
  });
  return type(value);
}

/** The type of what a ConstantOfShape fills its result with. */
function filling(node: Node): DType {
  const value = node.attributes.get("value");
  return value?.kind === "tensor" ? value.value.dtype : "float";
}

/** The operand of whose type a result is; null where no operand says. */
function likeOperand(node: Node, result: Value): number | null {
  const { norm, rotary } = opOf(node);
  if (node.op === "CastLike") return 1;
  if (node.op === "Where") return 1;
  if (node.op === "OneHot") return 2;
  // The statistics of a norm have a type of their own; its results have that of the weight, where this is its own.
  if (norm !== null) return result.index === 0 ? (norm.weight ?? 0) : result.index === norm.sum ? 0 : null;
  if (rotary !== null) return 0;
  if (likeFirst.has(node.op)) return 0;
  // Its scales have the type that it gives.
  if (node.op === "DequantizeLinear") return node.int("output_dtype") === undefined ? 1 : null;
  if (has(node, "shape") || has(node, "quantize") || has(node, "dequantize") || has(node, "filled"))
    return null;
  const keeps = (["view", "elementwise", "reduce", "product", "choose", "cut"] as const).some((trait) =>
    has(node, trait),
  );
  return keeps ? 0 : null;
}
