import { attribute, type Attribute } from "../../../compiler/ir/attribute.ts";
import { before, Builder } from "../../../compiler/ir/builder.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import { madeBy } from "../../../compiler/ir/entity.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import { dropIfUnread, replaceBy } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { Tensor } from "../../../compiler/ir/tensor.ts";
import { tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import { Quantizing } from "../../../compiler/weights/nbits/quantizing.ts";
import { rowSizes, type BlockSettings } from "../../../compiler/weights/nbits/settings.ts";
import type { Quantizable } from "./_quantizable.ts";

/** int8 products: what onnxruntime's CPU and WebGPU kernels are fast with. CUDA's do not ask. */
const INT8_PRODUCTS = 4;

const MICROSOFT = "com.microsoft";

/** Writes linears of one model with quantized weights. */
export class QuantizedLinears {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #settings: BlockSettings;
  readonly #provider: Provider | null;
  readonly #quantizing: Quantizing;
  readonly #known = new Map<string, readonly Value[]>();
  readonly #numbers = new Map<Value, number>();
  readonly #names = new Map<string, number>();

  constructor(
    model: Model,
    rw: Rewriter,
    { settings, provider }: { readonly settings: BlockSettings; readonly provider: Provider | null },
  ) {
    this.#model = model;
    this.#rw = rw;
    this.#settings = settings;
    this.#provider = provider;
    this.#quantizing = new Quantizing(settings);
    if (!model.opsets.has(MICROSOFT)) rw.setOpset(model, MICROSOFT, 1);
  }

  write(one: Quantizable): void {
    const { node } = one;
    const rw = this.#rw;
    const b = new Builder(rw, before(node));
    const product = rw.node({
      domain: MICROSOFT,
      op: "MatMulNBits",
      ...(node.name === undefined ? {} : { name: node.name }),
      inputs: [node.input(0), ...this.#tensors(one)],
      attributes: this.#attributes(one),
      loc: b.loc,
    });
    for (const [key, text] of node.meta) rw.setMeta(product, key, text);
    let result = b.place(product).result;
    if (one.bias !== null) {
      const name = `${node.output(0)?.name ?? "linear"}_product`;
      rw.setName(result, name);
      result = b.place(rw.node({ op: "Add", inputs: [result, one.bias], loc: b.loc })).result;
    }
    const weight = node.input(1);
    replaceBy(rw, node, [result]);
    dropIfUnread(rw, [weight]);
  }

  #attributes({ matrix }: Quantizable): Readonly<Record<string, Attribute>> {
    const { bits, block } = this.#settings;
    return {
      K: attribute.int(matrix.inFeatures),
      N: attribute.int(matrix.outFeatures),
      bits: attribute.int(bits),
      block_size: attribute.int(block),
      ...(this.#provider === "cuda" ? {} : { accuracy_level: attribute.int(INT8_PRODUCTS) }),
    };
  }

  /** The tensors of a weight, which all that read it alike share. */
  #tensors(one: Quantizable): readonly Value[] {
    const { root, matrix, place } = one;
    const number = this.#numbers.get(root) ?? this.#numbers.size;
    this.#numbers.set(root, number);
    const key = `${number} ${place ?? ""} ${String(matrix.isInFirst)} ${matrix.dtype}`;
    const known = this.#known.get(key) ?? this.#make(one);
    this.#known.set(key, known);
    return known;
  }

  /** Scales first: they are the widest elements, and so all tensors lie aligned one behind another. */
  #make({ root, matrix, place }: Quantizable): readonly Value[] {
    const { bits, symmetric } = this.#settings;
    const { outFeatures, dtype } = matrix;
    const sizes = rowSizes(matrix.inFeatures, this.#settings);
    const own = root.name ?? "weight";
    const name = this.#unique(place === null ? own : `${own}.${place}`);
    const bytes = this.#quantizing.bytesOf({ ...matrix, file: this.#model.loc.file, name: own });
    const scales = this.#tensor(`${name}_scales`, dtype, [outFeatures, sizes.blocks], bytes.scales, root);
    const shape = [outFeatures, sizes.blocks, sizes.blob];
    const packed = this.#tensor(`${name}_Q${bits}`, "uint8", shape, bytes.packed, root);
    if (symmetric) return [packed, scales];
    const zeros = [outFeatures, sizes.zeroPoints];
    return [packed, scales, this.#tensor(`${name}_zero_points`, "uint8", zeros, bytes.zeroPoints, root)];
  }

  #tensor(
    name: string,
    dtype: DType,
    shape: readonly number[],
    produce: () => Uint8Array,
    from: Value,
  ): Value {
    const tensor = new Tensor(dtype, shape, { kind: "deferred", file: "quantized", produce });
    const loc = madeBy(this.#rw.pass ?? "", [from.loc]);
    const value = this.#rw.value(loc, name, tensorType(dtype, shape), tensor);
    this.#rw.addInitializer(this.#model.graph, value);
    return value;
  }

  /** Weights of graphs inside a graph may have one name. */
  #unique(name: string): string {
    const times = (this.#names.get(name) ?? 0) + 1;
    this.#names.set(name, times);
    return times === 1 ? name : `${name}_${times}`;
  }
}
