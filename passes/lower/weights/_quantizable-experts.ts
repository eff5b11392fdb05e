import { isFloat } from "../../../compiler/ir/dtype.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import { stackedMatrixOf } from "../../../compiler/recognize/linear/stacked-matrix.ts";
import { Stack } from "../../../compiler/weights/stack.ts";
import { typeObstacle, type Quantizable } from "./_quantizable.ts";

/** Finds products with one matrix of a stack, as experts are multiplied one by one. */
export class QuantizableExperts {
  readonly #provider: Provider | null;
  /** Those of one stack are read in their order, by one reader. */
  readonly #stacks = new Map<Value, Stack>();

  /** @param provider null for any that has the op */
  constructor(provider: Provider | null) {
    this.#provider = provider;
  }

  /** How a product can be quantized: null for one whose weight is no such matrix, or for which there is no kernel. */
  of(node: Node): Quantizable | null {
    const stacked = node.op === "MatMul" ? stackedMatrixOf(node.input(1)) : null;
    if (stacked === null || !isFloat(stacked.stack.dtype)) return null;
    const { root, stack, index, shape, transposed, dtype } = stacked;
    if (typeObstacle(dtype, this.#provider) !== null) return null;
    const [inFeatures, outFeatures] = shape;
    const known = this.#stacks.get(root) ?? new Stack(stack);
    this.#stacks.set(root, known);
    const matrix = { inFeatures, outFeatures, isInFirst: !transposed, tensor: known.matrix(index), dtype };
    return { node, matrix, root, place: index, bias: null };
  }
}
