import type { DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Lora } from "./lora.ts";
import { quantizedForms } from "./quantized.ts";
import { weightOf, type Weight } from "./weight.ts";

/** A linear projection: `[…, inFeatures] → […, outFeatures]` by a weight, with or without a bias. */
export interface Linear {
  /** The node that multiplies. */
  readonly node: Node;
  readonly input: Value;
  /** After the bias, where there is one. */
  readonly output: Value;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** The element type of the activations, as the float weight or the scales of a quantized one tell it. */
  readonly dtype: DType | null;
  /** Where the weight is stored; the multiplying node may read it through a Transpose or a Cast. */
  readonly weight: Value;
  readonly bias: Value | null;
  /** The multiplying node and what is added to its product: a bias, low-rank products. */
  readonly nodes: readonly Node[];
  /** The low-rank additions that the graph has written out, in their order. */
  readonly loras: readonly Lora[];
}

/** What one way of writing says: a linear without the bias that is added apart. */
export type LinearCore = Omit<Linear, "node" | "loras">;

/** One way of writing a linear, by op. */
const forms: ReadonlyMap<string, (node: Node) => LinearCore | null> = new Map(
  Object.entries<(node: Node) => LinearCore | null>({
    ...quantizedForms,
    // x [.., K] · W [K, N]
    MatMul: (node) => matrix(node, weightOf(node.input(1)), false, null),
    // alpha · x [M, K] · W (+ beta · C), W [K, N] or, with transB, [N, K]
    Gemm: (node) => {
      if ((node.int("transA") ?? 0) !== 0) return null;
      return matrix(node, weightOf(node.input(1)), node.int("transB") === 1, node.input(2));
    },
    "com.microsoft::FusedMatMul": (node) => {
      if ((node.int("transA") ?? 0) !== 0) return null;
      return matrix(node, weightOf(node.input(1)), node.int("transB") === 1, null);
    },
    // x · dequantize(B [N, blocks, bytes], scales): K and N are attributes
    "com.microsoft::MatMulNBits": (node) => {
      const [input, weight, output] = [node.input(0), node.input(1), node.output(0)];
      const [k, n] = [node.int("K"), node.int("N")];
      if (input === null || weight === null || output === null || k === undefined || n === undefined)
        return null;
      const dtype = weightOf(node.input(2))?.dtype ?? null;
      return {
        input,
        inFeatures: k,
        outFeatures: n,
        dtype,
        weight,
        bias: node.input(5),
        output,
        nodes: [node],
      };
    },
  }),
);

/** Whether an op is a way to write a projection, where it reads a weight. */
export function isLinearOp(node: Node): boolean {
  return forms.has(node.op);
}

function matrix(
  node: Node,
  weight: Weight | null,
  transposed: boolean,
  bias: Value | null,
): LinearCore | null {
  const [input, output] = [node.input(0), node.output(0)];
  if (input === null || output === null || weight?.shape.length !== 2) return null;
  // An activation that happens to be a constant (an expanded table) times a constant is no projection.
  if (weightOf(input) !== null) return null;
  const [rows = 0, columns = 0] = weight.shape;
  const [inFeatures, outFeatures] = transposed ? [columns, rows] : [rows, columns];
  return {
    input,
    inFeatures,
    outFeatures,
    dtype: weight.dtype,
    weight: weight.root,
    bias,
    output,
    nodes: [node],
  };
}

/** The linear whose multiplication `node` is, or null. */
export function recognizeLinear(node: Node): Linear | null {
  const core = forms.get(node.op)?.(node) ?? null;
  if (core === null) return null;
  const added = core.bias === null ? biasAddition(core.output, core.outFeatures) : null;
  if (added === null) return { ...core, node, loras: [] };
  const { output, bias } = added;
  return { ...core, node, output, bias, nodes: [...core.nodes, added.node], loras: [] };
}

/** The addition of a vector to a product that nothing else reads: a parameter, stored or given by the caller. */
export function biasAddition(
  product: Value,
  width: number,
): { readonly node: Node; readonly output: Value; readonly bias: Value } | null {
  const [use] = product.uses;
  if (product.uses.size !== 1 || use?.kind !== "input" || use.node.op !== "Add") return null;
  const bias = use.node.input(1 - use.index);
  const output = use.node.output(0);
  const shape = weightOf(bias)?.shape;
  if (bias === null || output === null || shape?.length !== 1 || shape[0] !== width) return null;
  return { node: use.node, output, bias };
}
