import { attribute, type Attribute } from "../../../compiler/ir/attribute.ts";
import { after, before, Builder } from "../../../compiler/ir/builder.ts";
import { cloneNode } from "../../../compiler/ir/clone.ts";
import type { DType, HalfType } from "../../../compiler/ir/dtype.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { dropIfUnread } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { scalar, tensorOf } from "../../../compiler/ir/scalar.ts";
import type { Tensor } from "../../../compiler/ir/tensor.ts";
import { asTensor, tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { constantOf } from "../../../compiler/ops/constant.ts";
import { has } from "../../../compiler/ops/table.ts";
import { LARGEST } from "../../../compiler/weights/narrow.ts";
import { halfTensor } from "./_tensor.ts";
import type { Slots } from "./_slots.ts";
import type { Reading } from "./_kept.ts";

/**
 * What became of a value of float32: `half`, it has the model's type now; `float`, it keeps its own; `open`, it is a
 * constant, or made of constants alone, and is for each reader what that reads.
 */
export type Kind = "half" | "float" | "open";

/** What a node is to read: the model's type, or float32. */
export type Want = "half" | Reading;

/** Values in the type that a reader wants: made when first asked for, once for all readers. */
export class HalfValues {
  readonly #rw: Rewriter;
  readonly #to: HalfType;
  readonly #slots: Slots;
  readonly #canBeHalf: (node: Node) => boolean;
  readonly #kinds = new Map<Value, Kind>();
  readonly #made: Readonly<Record<Want, Map<Value, Value>>> = {
    half: new Map(),
    exact: new Map(),
    rounded: new Map(),
  };
  readonly #clamped = new Map<Value, Value>();
  /** Copies that stand in for others, which may be read no more. */
  readonly #copies: { readonly of: Value; readonly copy: Value }[] = [];
  /** Casts to float32 whose readers read what is cast. */
  readonly #passedBy: Value[] = [];
  converted = 0;
  casts = 0;

  /** @param canBeHalf whether all that a node reads and gives of float32 may have the type */
  constructor(rw: Rewriter, to: HalfType, slots: Slots, canBeHalf: (node: Node) => boolean) {
    this.#rw = rw;
    this.#to = to;
    this.#slots = slots;
    this.#canBeHalf = canBeHalf;
  }

  kindOf(value: Value | null): Kind | null {
    if (value === null) return null;
    const kind = this.#kinds.get(value);
    if (kind !== undefined) return kind;
    if (value.constant?.dtype === "float") return "open";
    return value.constant?.dtype === this.#to ? "half" : null;
  }

  /** Notes what a value is from now on, and has it declare that. */
  set(value: Value, kind: Kind): void {
    this.#mark(value, kind);
    if (kind !== "open") this.#declare(value, kind === "half" ? this.#to : "float");
  }

  /** A value as a reader wants it. */
  as(value: Value, want: Want): Value {
    const kind = this.kindOf(value);
    if (kind === null || kind === (want === "half" ? "half" : "float")) return value;
    if (kind === "open" && want === "exact") return value;
    const known = this.#made[want].get(value);
    if (known !== undefined) return known;
    const made = kind === "open" && want !== "exact" ? this.#version(value, want) : this.#recast(value, want);
    this.#made[want].set(value, made);
    return made;
  }

  /**
   * A value for what is computed in float32 and cast to the model's type behind that, such as masks: of a number beyond
   * the range of the type the last one that is in it, which a cast leaves finite.
   */
  within(value: Value): Value {
    const tensor = this.kindOf(value) === "open" ? constantOf(value) : null;
    const number = tensor === null ? null : scalar(tensor);
    const largest = LARGEST[this.#to];
    if (tensor === null || number === null || !(Math.abs(number) > largest) || !Number.isFinite(number))
      return this.as(value, "exact");
    const known = this.#clamped.get(value);
    if (known !== undefined) return known;
    const first = value.scope?.first ?? null;
    if (first === null) return value;
    const b = new Builder(this.#rw, before(first));
    const made = b.constant("float", tensor.shape, [Math.sign(number) * largest], value.name ?? "lowest");
    this.#mark(made, "open");
    this.#clamped.set(value, made);
    this.#copies.push({ of: value, copy: made });
    return made;
  }

  /** A cast behind a value, or at the beginning of the graph that it is an input of. */
  cast(value: Value, to: DType): Value {
    const { name = "value", producer, scope } = value;
    const first = scope?.first ?? null;
    const place = producer !== null ? after(producer) : first !== null ? before(first) : null;
    if (place === null) throw new Error(`no place for a cast of "${name}"`);
    const result = new Builder(this.#rw, place).cast(value, to, `${name}_${to}`);
    const shape = asTensor(value.type)?.shape;
    this.#rw.setType(result, tensorType(to, shape));
    this.#mark(result, to === "float" ? "float" : "half");
    this.casts++;
    return result;
  }

  /** Removes what nothing reads any more; copies take over the names. */
  finish(): void {
    dropIfUnread(this.#rw, [...this.#passedBy, ...this.#copies.map(({ of }) => of)]);
    for (const { of, copy } of this.#copies) {
      const isThere = of.producer === null ? of.graph !== null : of.producer.graph !== null;
      if (isThere || (copy.producer !== null && copy.producer.graph === null)) continue;
      this.#rw.setName(copy, of.name);
      if (copy.producer !== null) this.#rw.setName(copy.producer, of.producer?.name);
    }
  }

  /** What is made has the type that it stands for, to those who ask what that was. */
  #mark(value: Value, kind: Kind): void {
    this.#kinds.set(value, kind);
    this.#slots.note(value, "float");
  }

  #declare(value: Value, dtype: DType): void {
    const type = asTensor(value.type);
    // Passes behind this one ask what type a value has, through longer chains of ops than they look at.
    if (value.type === undefined || (type !== null && type.dtype !== dtype))
      this.#rw.setType(value, tensorType(dtype, type?.shape));
  }

  /** A value of one type in the other. */
  #recast(value: Value, want: Want): Value {
    const node = value.producer;
    if (want !== "half") return this.cast(value, "float");
    // What was cast to float32 by the graph itself was the model's type before.
    const source = node?.op === "Cast" ? node.input(0) : null;
    if (source !== null && this.kindOf(source) === "half") {
      this.#passedBy.push(value);
      return source;
    }
    // Tables of cosines are cast once, and laid out for each layer.
    const data = node === null || !isView(node) ? null : node.input(0);
    if (node !== null && this.kindOf(data) === "float") return this.#copy(value, node, "half");
    return this.cast(value, this.#to);
  }

  /** A constant, or what is made of constants, in another type. */
  #version(value: Value, want: "half" | "rounded"): Value {
    const node = value.producer;
    if (value.constant !== undefined) return this.#stored(value, value.constant, want);
    if (node === null) return this.cast(value, want === "half" ? this.#to : "float");
    if (node.op === "Constant") return this.#constant(value, node, want);
    if (node.op === "ConstantOfShape") return this.#filled(value, node, want);
    const source = node.op === "Cast" ? node.input(0) : null;
    if (source !== null && this.kindOf(source) === "open") return this.as(source, want);
    if (isLayout(node) && (want === "rounded" || this.#canBeHalf(node))) return this.#copy(value, node, want);
    // What is computed of constants is computed in float32.
    const computed = this.#copy(value, node, "rounded");
    return want === "rounded" ? computed : this.cast(computed, this.#to);
  }

  #stored(value: Value, constant: Tensor, want: "half" | "rounded"): Value {
    if (want === "rounded") return constant.size === 1 ? value : this.cast(this.as(value, "half"), "float");
    const { graph, name = "weight", loc } = value;
    const owner = graph?.owner ?? null;
    const isMain = owner !== null && "irVersion" in owner;
    const tensor = halfTensor(constant, this.#to, { name, loc, canWait: isMain });
    const copy = this.#rw.value(loc, name, tensorType(this.#to, tensor.shape), tensor);
    if (graph !== null) this.#rw.addInitializer(graph, copy);
    this.#mark(copy, "half");
    this.#copies.push({ of: value, copy });
    this.converted++;
    return copy;
  }

  #constant(value: Value, node: Node, want: "half" | "rounded"): Value {
    const [, attr] = [...node.attributes][0] ?? [];
    const tensor = attr === undefined ? null : tensorIn(attr);
    if (tensor === null || !this.#canBeHalf(node))
      return want === "half" ? this.cast(value, this.#to) : value;
    if (want === "rounded") return tensor.size === 1 ? value : this.cast(this.as(value, "half"), "float");
    return this.#filledTwin(value, node, tensor);
  }

  #filled(value: Value, node: Node, want: "half" | "rounded"): Value {
    if (want === "rounded") return value;
    if (!this.#canBeHalf(node)) return this.cast(value, this.#to);
    const attr = node.attributes.get("value");
    return this.#filledTwin(value, node, attr?.kind === "tensor" ? attr.value : tensorOf("float", [1], [0]));
  }

  /** A copy of a node whose result is made of a tensor, with that in the model's type. */
  #filledTwin(value: Value, node: Node, tensor: Tensor): Value {
    const name = value.name ?? "constant";
    const half = halfTensor(tensor, this.#to, { name, loc: node.loc, canWait: false });
    const copy = this.#twin(value, node, "half", node.inputs);
    if (copy.producer === null) return copy;
    for (const one of [...copy.producer.attributes.keys()]) this.#rw.removeAttribute(copy.producer, one);
    this.#rw.setAttribute(copy.producer, "value", attribute.tensor(half));
    return copy;
  }

  /** The same of what a node reads in another type; the node's own result where nothing differs. */
  #copy(value: Value, node: Node, want: "half" | "rounded"): Value {
    const inputs = node.inputs.map((one) => (one === null ? null : this.as(one, want)));
    return inputs.every((one, i) => one === node.input(i)) ? value : this.#twin(value, node, want, inputs);
  }

  /** A copy of a node right behind it, which reads other values. */
  #twin(value: Value, node: Node, want: "half" | "rounded", inputs: readonly (Value | null)[]): Value {
    const rw = this.#rw;
    const b = new Builder(rw, after(node));
    const copy = b.place(cloneNode(rw, node, new Map(), b.loc));
    inputs.forEach((one, i) => {
      rw.setInput(copy, i, one);
    });
    const dtype = want === "half" ? this.#to : "float";
    node.outputs.forEach((one, i) => {
      const twin = copy.outputs[i];
      const type = asTensor(one.type);
      if (twin === undefined) return;
      rw.setName(twin, `${one.name ?? "value"}_${dtype}`);
      if (type !== null)
        rw.setType(twin, tensorType(type.dtype === "float" ? dtype : type.dtype, type.shape));
      if (this.#slots.isFloat(one)) this.#mark(twin, want === "half" ? "half" : "float");
      this.#made[want].set(one, twin);
      this.#copies.push({ of: one, copy: twin });
    });
    return copy.outputs[value.index] ?? copy.result;
  }
}

/** Whether a node only lays out, chooses or repeats what it reads. */
function isLayout(node: Node): boolean {
  if (has(node, "retype") || has(node, "quantize")) return false;
  return (
    (["view", "choose", "cut", "rows"] as const).some((trait) => has(node, trait)) || node.op === "Where"
  );
}

/** Whether it hands on one operand in another layout. */
function isView(node: Node): boolean {
  return has(node, "reshape") || node.op === "Transpose" || node.op === "Unsqueeze";
}

/** The tensor of a Constant; null where a caller gives it. */
function tensorIn(attr: Attribute): Tensor | null {
  if (attr.kind === "tensor") return attr.value;
  if (attr.kind === "float") return tensorOf("float", [], [attr.value]);
  return attr.kind === "floats" ? tensorOf("float", [attr.value.length], attr.value) : null;
}
