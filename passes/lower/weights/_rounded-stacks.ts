import { byteSize } from "../../../compiler/ir/dtype.ts";
import { madeBy } from "../../../compiler/ir/entity.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import { dropIfUnread } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { Tensor } from "../../../compiler/ir/tensor.ts";
import { tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { constantOf } from "../../../compiler/ops/constant.ts";
import { encodeNumbers } from "../../../compiler/weights/convert.ts";
import { dequantize } from "../../../compiler/weights/nbits/dequantize.ts";
import { Quantizing } from "../../../compiler/weights/nbits/quantizing.ts";
import type { BlockSettings } from "../../../compiler/weights/nbits/settings.ts";
import { Stack } from "../../../compiler/weights/stack.ts";
import { transposed } from "../../../compiler/weights/transpose.ts";
import type { Side } from "./_expert-products.ts";

/**
 * Gives stacks of experts' weights the numbers that quantized ones stand for, and leaves the graph as it is: what one is
 * held against whose experts are multiplied one by one.
 */
export class RoundedStacks {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #settings: BlockSettings;
  readonly #quantizing: Quantizing;
  readonly #made = new Map<string, Map<Value, Value>>();

  constructor(model: Model, rw: Rewriter, settings: BlockSettings) {
    this.#model = model;
    this.#rw = rw;
    this.#settings = settings;
    this.#quantizing = new Quantizing(settings);
  }

  /** @param readOn where the stack stands in the products that read it, copies of its matrices or it itself */
  write(read: Value, readOn: Side): void {
    const { producer } = read;
    const turned = producer?.op === "Transpose" && producer.ints("perm")?.join() === "0,2,1";
    const stack = (turned || producer?.op === "Identity" ? producer.input(0) : null) ?? read;
    const side = turned ? (readOn === "left" ? "right" : "left") : readOn;
    const tensor = constantOf(stack);
    if (tensor === null) return;
    const of = this.#made.get(side) ?? new Map<Value, Value>();
    this.#made.set(side, of);
    if (of.has(stack)) return;
    const produce = (): Iterable<Uint8Array> => this.#pieces(stack, tensor, side);
    const { dtype, shape } = tensor;
    const rounded = new Tensor(dtype, shape, { kind: "deferred", file: "quantized", produce });
    const rw = this.#rw;
    const loc = madeBy(rw.pass ?? "", [stack.loc]);
    const value = rw.value(loc, `${stack.name ?? "stack"}_rounded`, tensorType(dtype, shape), rounded);
    rw.addInitializer(this.#model.graph, value);
    of.set(stack, value);
    rw.replaceUses(stack, value);
    dropIfUnread(rw, [stack]);
  }

  *#pieces(stack: Value, tensor: Tensor, side: Side): Generator<Uint8Array, void, void> {
    const [count = 0, rows = 0, columns = 0] = tensor.shape;
    const { dtype } = tensor;
    const isInFirst = side === "right";
    const [inFeatures, outFeatures] = isInFirst ? [rows, columns] : [columns, rows];
    const matrices = new Stack(tensor);
    const named = { file: this.#model.loc.file, name: stack.name ?? "" };
    for (let index = 0; index < count; index++) {
      const matrix = { inFeatures, outFeatures, isInFirst, tensor: matrices.matrix(index), dtype, ...named };
      const numbers = dequantize(this.#quantizing.of(matrix), inFeatures, this.#settings);
      const bytes = encodeNumbers(numbers, dtype);
      yield isInFirst ? transposed(bytes, outFeatures, inFeatures, byteSize(dtype, 1) ?? 0) : bytes;
    }
  }
}
