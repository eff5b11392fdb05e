import { byteSize } from "../../../compiler/ir/dtype.ts";
import { madeBy } from "../../../compiler/ir/entity.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import { dropIfUnread } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { Tensor } from "../../../compiler/ir/tensor.ts";
import { tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { encodeNumbers } from "../../../compiler/weights/convert.ts";
import { dequantize } from "../../../compiler/weights/nbits/dequantize.ts";
import { Quantizing, type NamedMatrix } from "../../../compiler/weights/nbits/quantizing.ts";
import type { BlockSettings } from "../../../compiler/weights/nbits/settings.ts";
import { transposed } from "../../../compiler/weights/transpose.ts";
import type { Quantizable } from "./_quantizable.ts";

/**
 * Keeps linears as they are, with the numbers that quantized weights stand for in place of their own: what a quantized
 * graph is held against.
 */
export class RoundedLinears {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #settings: BlockSettings;
  readonly #quantizing: Quantizing;

  constructor(model: Model, rw: Rewriter, { settings }: { readonly settings: BlockSettings }) {
    this.#model = model;
    this.#rw = rw;
    this.#settings = settings;
    this.#quantizing = new Quantizing(settings);
  }

  write({ node, matrix, root }: Quantizable): void {
    const rw = this.#rw;
    const name = root.name ?? "weight";
    const named = { ...matrix, file: this.#model.loc.file, name };
    const { inFeatures, outFeatures, dtype } = matrix;
    const isInFirst = node.int("transB") !== 1;
    const shape = isInFirst ? [inFeatures, outFeatures] : [outFeatures, inFeatures];
    const produce = (): Uint8Array => this.#bytes(named, isInFirst);
    const tensor = new Tensor(dtype, shape, { kind: "deferred", file: "quantized", produce });
    // A name for each reader: one weight may be read in both layouts.
    const hint = `${node.output(0)?.name ?? name}_rounded`;
    const value = rw.value(madeBy(rw.pass ?? "", [root.loc]), hint, tensorType(dtype, shape), tensor);
    rw.addInitializer(this.#model.graph, value);
    const old: Value | null = node.input(1);
    rw.setInput(node, 1, value);
    dropIfUnread(rw, [old]);
  }

  #bytes(matrix: NamedMatrix, isInFirst: boolean): Uint8Array {
    const { inFeatures, outFeatures, dtype } = matrix;
    const numbers = dequantize(this.#quantizing.of(matrix), inFeatures, this.#settings);
    const rows = encodeNumbers(numbers, dtype);
    return isInFirst ? transposed(rows, outFeatures, inFeatures, byteSize(dtype, 1) ?? 0) : rows;
  }
}
