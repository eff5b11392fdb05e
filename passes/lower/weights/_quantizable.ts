import { isFloat, type DType } from "../../../compiler/ir/dtype.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { constantOf, integersOf } from "../../../compiler/ops/constant.ts";
import { kernelsFor, kernelsOf, takes } from "../../../compiler/ops/kernels/kernels.ts";
import { providers, type Provider } from "../../../compiler/ops/providers.ts";
import { has } from "../../../compiler/ops/table.ts";
import type { Linear } from "../../../compiler/recognize/linear/linear.ts";
import { weightOf, type Weight } from "../../../compiler/recognize/linear/weight.ts";
import type { FloatMatrix } from "../../../compiler/weights/nbits/matrix.ts";

/** The op that multiplies with quantized weights. */
export const NBITS = "com.microsoft::MatMulNBits";

/** A product whose weight can be quantized. */
export interface Quantizable {
  /** What multiplies. */
  readonly node: Node;
  readonly matrix: FloatMatrix;
  /** Where the float weight is stored. */
  readonly root: Value;
  /** Which matrix of a stack it is; null where it is all that is stored there. */
  readonly place: number | null;
  /** A bias that the node adds itself. */
  readonly bias: Value | null;
}

const plain: ReadonlySet<string> = new Set(["MatMul", "Gemm", "com.microsoft::FusedMatMul"]);

/** What is in the way of a linear's weight; `isQuantized` where it is quantized already. */
export interface Obstacle {
  readonly why: string;
  readonly isQuantized: boolean;
}

/** How a linear can be quantized, else why it cannot. @param provider null for any that has the op */
export function quantizable(linear: Linear, provider: Provider | null): Quantizable | Obstacle {
  const { node, inFeatures, outFeatures } = linear;
  if (!plain.has(node.op)) return { why: `it is ${node.op}`, isQuantized: true };
  const weight = weightOf(node.input(1));
  const why = weight === null ? "its weight is not found" : obstacleIn(weight);
  if (weight === null || why !== null) return { why: why ?? "", isQuantized: why === QUANTIZED };
  const scaled = scalingOf(linear);
  if (scaled !== null) return { why: scaled, isQuantized: false };
  const { dtype, root } = weight;
  const untaken = typeObstacle(dtype, provider);
  if (untaken !== null) return { why: untaken, isQuantized: false };
  const tensor = constantOf(root);
  if (tensor === null)
    return { why: "a caller may give another weight: it is an input of the graph", isQuantized: false };
  const isReadInFirst = node.int("transB") !== 1;
  return {
    node,
    matrix: { inFeatures, outFeatures, isInFirst: isReadInFirst !== weight.transposed, tensor, dtype },
    root,
    place: null,
    bias: node.op === "Gemm" ? node.input(2) : null,
  };
}

const QUANTIZED = "its weight is quantized";

function obstacleIn({ path, shape, dtype, root }: Weight): string | null {
  for (const node of path) {
    if (node.op === "DequantizeLinear") return QUANTIZED;
    const isSame = node.op === "Reshape" && integersOf(node.input(1))?.join() === shape.join();
    if (!isSame && !has(node, "same-numbers")) return `the graph computes on its weight (${node.op})`;
  }
  if (!isFloat(dtype) || !isFloat(constantOf(root)?.dtype ?? dtype)) return QUANTIZED;
  return null;
}

/** What multiplies the product or the bias, or reads the operands in another order. */
function scalingOf({ node }: Linear): string | null {
  const [alpha, beta] = [node.float("alpha") ?? 1, node.float("beta") ?? 1];
  if (alpha !== 1) return `its product is scaled (alpha = ${alpha})`;
  if (beta !== 1 && node.op === "Gemm" && node.input(2) !== null)
    return `its bias is scaled (beta = ${beta})`;
  const batch = ["transBatchA", "transBatchB"].find((name) => (node.int(name) ?? 0) !== 0);
  return batch === undefined ? null : `its operands are turned (${batch})`;
}

/** Why there is no kernel for a type of activations; null where there is one. @param provider null for any */
export function typeObstacle(dtype: DType, provider: Provider | null): string | null {
  const op = kernelsOf(NBITS);
  const asked = provider === null ? providers : [provider];
  const types = new Map([["T1", dtype]]);
  const isTaken = asked.some(
    (one) => op !== null && kernelsFor(op, one, 1).some((kernel) => takes(kernel, types)),
  );
  return isTaken ? null : `${provider ?? "onnxruntime"} has no kernel of MatMulNBits for ${dtype}`;
}
