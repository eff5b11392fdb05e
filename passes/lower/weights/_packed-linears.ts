import { attribute } from "../../../compiler/ir/attribute.ts";
import { before, Builder } from "../../../compiler/ir/builder.ts";
import { madeBy } from "../../../compiler/ir/entity.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { dropIfUnread, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Tensor } from "../../../compiler/ir/tensor.ts";
import { asTensor, tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { Linear } from "../../../compiler/recognize/linear/linear.ts";
import { concatenated } from "../../../compiler/weights/concatenated.ts";
import type { Joined, JoinedOperand, Packable } from "./_packable.ts";

/** Linears to be one product, under a name of their own: `model.layers.0.self_attn.qkv_proj`. */
export interface Packing extends Packable {
  readonly name: string;
  /** The op that takes the product as it is, by the input that has it whole; null where it is cut. */
  readonly taker: { readonly node: Node; readonly whole: number; readonly others: readonly number[] } | null;
}

/** Writes linears of one model as packed ones. */
export class PackedLinears {
  readonly #model: Model;
  readonly #rw: Rewriter;
  /** Packed tensors, by those that they are made of. */
  readonly #made = new Map<string, Value>();
  readonly #numbers = new Map<Tensor, number>();
  readonly #names = new Map<string, number>();

  constructor(model: Model, rw: Rewriter) {
    this.#model = model;
    this.#rw = rw;
  }

  write(packing: Packing): void {
    const { linears, name, taker } = packing;
    const [first] = linears;
    if (first === undefined) return;
    const reads = linears.flatMap(({ nodes }) => nodes.flatMap(({ inputs }) => inputs));
    const b = new Builder(this.#rw, before(first.node));
    const product = this.#product(b, packing, first);
    if (taker === null) this.#cut(b, product, linears);
    else {
      this.#rw.setInput(taker.node, taker.whole, product);
      for (const index of taker.others) this.#rw.setInput(taker.node, index, null);
      this.#rw.setName(product, name);
    }
    for (const { nodes } of linears)
      for (const node of [...nodes].reverse()) if (node.graph !== null) this.#rw.remove(node);
    dropIfUnread(this.#rw, reads);
  }

  /** `[…, sum of the widths]` */
  #product(b: Builder, { linears, operands, added, name }: Packing, { node, output }: Linear): Value {
    const rw = this.#rw;
    const inputs = node.inputs.map((value, index) => (index === 0 ? value : null));
    for (const operand of operands) inputs[operand.index] = this.#operand(b, operand, name);
    const width = linears.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
    const packed = rw.node({
      op: node.opType,
      domain: node.domain,
      name,
      inputs: Array.from(inputs, (value) => value ?? null),
      attributes: {
        ...Object.fromEntries(node.attributes),
        ...(node.attributes.has("N") ? { N: attribute.int(width) } : {}),
      },
      loc: madeBy(
        rw.pass ?? "",
        linears.map((one) => one.node.loc),
      ),
    });
    const product = b.place(packed).result;
    const shape = asTensor(output.type)?.shape;
    const dtype = asTensor(output.type)?.dtype;
    const type =
      shape === undefined || dtype === undefined ? undefined : tensorType(dtype, shape.with(-1, width));
    rw.setName(product, added === null ? `${name}.product` : `${name}.product_unbiased`);
    if (type !== undefined) rw.setType(product, type);
    if (added === null) return product;
    const sum = b.op("Add", [product, this.#tensor(added, `${name}.bias`)], `${name}.product`);
    if (type !== undefined) rw.setType(sum, type);
    return sum;
  }

  /** What was read through a Transpose or a Cast is read through one again. */
  #operand(b: Builder, operand: JoinedOperand, name: string): Value {
    const stored = this.#tensor(operand, `${name}.${operand.suffix}`);
    const [weight] = operand.weights;
    const dtype = asTensor(stored.type)?.dtype;
    const turned =
      weight?.transposed === true ? b.transpose(stored, [1, 0], `${name}.${operand.suffix}_turned`) : stored;
    if (weight === undefined || weight.dtype === dtype) return turned;
    return b.cast(turned, weight.dtype, `${name}.${operand.suffix}_cast`);
  }

  #tensor(joined: Joined, name: string): Value {
    const key = `${joined.axis} ${joined.tensors.map((tensor) => this.#numberOf(tensor)).join()}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const file = joined.tensors.some(
      ({ storage }) => storage.kind === "deferred" && storage.file === "quantized",
    )
      ? "quantized"
      : "weights";
    const tensor = concatenated(joined.tensors, { axis: joined.axis, file });
    const loc = madeBy(this.#rw.pass ?? "", [this.#model.graph.loc]);
    const value = this.#rw.value(loc, this.#unique(name), tensorType(tensor.dtype, tensor.shape), tensor);
    this.#rw.addInitializer(this.#model.graph, value);
    this.#made.set(key, value);
    return value;
  }

  #cut(b: Builder, product: Value, linears: readonly Linear[]): void {
    const names = linears.map(({ output }) => output.name ?? "part");
    const widths = linears.map(({ outFeatures }) => outFeatures);
    const parts = b.split(product, widths, names);
    linears.forEach(({ output }, i) => {
      const part = parts[i];
      if (part === undefined) return;
      this.#rw.setName(part, undefined);
      takeOver(this.#rw, output, part);
    });
  }

  #numberOf(tensor: Tensor): number {
    const number = this.#numbers.get(tensor) ?? this.#numbers.size;
    this.#numbers.set(tensor, number);
    return number;
  }

  /** Two graphs inside one may have a layer of the same number. */
  #unique(name: string): string {
    const times = (this.#names.get(name) ?? 0) + 1;
    this.#names.set(name, times);
    return times === 1 ? name : `${name}_${times}`;
  }
}
