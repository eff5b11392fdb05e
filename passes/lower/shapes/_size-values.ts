import { after, before, Builder } from "../../../compiler/ir/builder.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../../compiler/ir/scalar.ts";
import { opsetOf } from "../../../compiler/ir/walk.ts";
import { asTensor } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { elementTypeOf } from "../../../compiler/ops/element-type.ts";
import type { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";

/** The first version of the default domain in which Shape gives a part of a shape. */
const OPSET_OF_PARTS = 15;

/** Vectors of more sizes than this are no shapes. */
const LONGEST = 16;

/** 64-bit integers that are computed of sizes. */
interface SizeValue {
  /** Whether it is a vector, and not of rank 0. */
  readonly isVector: boolean;
  readonly sizes: readonly Polynomial[];
}

/** Values for sizes: one for each that is asked for, a number being a constant, and a symbol read of a graph input. */
export class SizeValues {
  readonly #rw: Rewriter;
  readonly #graph: Graph;
  readonly #elements: Elements;
  readonly #inputs = new Map<string, { readonly value: Value; readonly axis: number }>();
  readonly #known = new Map<string, Value>();
  readonly #models: ReadonlySet<Value>;

  /** @param models values that are there before all that reads sizes, whose whole shapes may be read as they are */
  constructor(rw: Rewriter, graph: Graph, elements: Elements, models: ReadonlySet<Value>) {
    this.#rw = rw;
    this.#models = models;
    this.#graph = graph;
    this.#elements = elements;
    // Inputs that hold no data of layers first: they are on the CPU already.
    const inputs = [...graph.inputs].sort((a, b) => Number(isFloating(a)) - Number(isFloating(b)));
    for (const value of inputs)
      for (const [axis, size] of (elements.shapes.of(value) ?? []).entries())
        if (size.isSymbol && !this.#inputs.has(size.key)) this.#inputs.set(size.key, { value, axis });
    for (const value of graph.initializers) {
      const size = value.isInput ? null : this.#read(value);
      if (size !== null && this.#get(size) === null) this.#known.set(keyOf(size), value);
    }
  }

  /** The symbols that inputs other than caches have as sizes. */
  get firm(): ReadonlySet<string> {
    return new Set([...this.#inputs].flatMap(([symbol, { value }]) => (isFloating(value) ? [] : [symbol])));
  }

  /** A vector of numbers, one for all that are equal. */
  constant(numbers: readonly number[]): Value {
    return this.#constant({ isVector: true, sizes: numbers.map((n) => Polynomial.of(n)) }, numbers);
  }

  /** A size as a value of rank 0: one that is there already, or that an input has; null where there is none. */
  number(size: Polynomial): Value | null {
    const wanted: SizeValue = { isVector: false, sizes: [size] };
    const { constant } = size;
    if (constant !== null) return this.#constant(wanted, [constant]);
    const known = this.#get(wanted) ?? this.#ofInput(wanted, size);
    if (known !== null) this.#known.set(keyOf(wanted), known);
    return known;
  }

  /** A size as a vector of one; null where there is none. */
  vector(size: Polynomial): Value | null {
    const wanted: SizeValue = { isVector: true, sizes: [size] };
    const { constant } = size;
    if (constant !== null) return this.#constant(wanted, [constant]);
    const known = this.#get(wanted) ?? this.#ofInput(wanted, size) ?? this.#asVector(size);
    if (known !== null) this.#known.set(keyOf(wanted), known);
    return known;
  }

  #asVector(size: Polynomial): Value | null {
    const number = this.number(size);
    if (number?.producer?.graph !== this.#graph) return null;
    const b = new Builder(this.#rw, after(number.producer));
    return b.unsqueeze(number, [0], `${number.name ?? "number"}_size`);
  }

  /** The value that holds what another one does; itself where it is the first, or no size. */
  shared(value: Value): Value {
    const size = this.#read(value);
    if (size === null) return value;
    const known = this.#get(size);
    if (known !== null) return known;
    const numbers = size.sizes.map(({ constant }) => constant).filter((one) => one !== null);
    const [only, ...more] = size.sizes;
    if (numbers.length === size.sizes.length) return this.#constant(size, numbers);
    if (this.#isRead(value) || (more.length > 0 && this.#isOfModel(value))) {
      this.#known.set(keyOf(size), value);
      return value;
    }
    const read =
      more.length > 0
        ? this.#joined(size, value)
        : only !== undefined
          ? (this.#ofInput(size, only) ?? this.#multiplied(size, value))
          : null;
    this.#known.set(keyOf(size), read ?? value);
    return read ?? value;
  }

  /** A value that is known, if it has not been removed since because nothing read it. */
  #get(size: SizeValue): Value | null {
    const known = this.#known.get(keyOf(size)) ?? null;
    const isThere =
      known?.producer != null ? known.producer.graph === this.#graph : known?.graph === this.#graph;
    return isThere ? known : null;
  }

  #read(value: Value): SizeValue | null {
    if (elementTypeOf(value) !== "int64") return null;
    const shape = this.#elements.shapes.of(value);
    const [length] = shape ?? [];
    if (shape === null || shape.length > 1) return null;
    const count = length === undefined ? 1 : length.constant;
    if (count === null || count === 0 || count > LONGEST) return null;
    const sizes = Array.from({ length: count }, (_, i) =>
      this.#elements.at(value, length === undefined ? [] : [Polynomial.of(i)]),
    ).flatMap((one) => (one.kind === "integer" ? [one.value] : []));
    return sizes.length < count ? null : { isVector: length !== undefined, sizes };
  }

  #constant(size: SizeValue, numbers: readonly number[]): Value {
    const known = this.#get(size);
    if (known !== null) return known;
    const name = `${size.isVector ? "sizes" : "size"}_${numbers.join("_").replaceAll("-", "m")}`;
    const tensor = tensorOf("int64", size.isVector ? [numbers.length] : [], numbers);
    const type = { kind: "tensor", dtype: "int64", shape: tensor.shape } as const;
    const made = this.#rw.addInitializer(this.#graph, this.#rw.value(this.#graph.loc, name, type, tensor));
    this.#known.set(keyOf(size), made);
    return made;
  }

  /** Whether a value is how sizes are read of inputs: the Shape of one, or one of its sizes. */
  #isRead({ producer }: Value): boolean {
    const [node, from] = [producer, producer?.input(0) ?? null];
    if (node === null || from === null) return false;
    if (node.op === "Shape") return from.isInput && from.graph === this.#graph;
    const takes = opsetOf(this.#graph) < OPSET_OF_PARTS ? ["Squeeze", "Gather"] : ["Squeeze"];
    return takes.includes(node.op) && from.producer?.op === "Shape" && this.#isRead(from);
  }

  #isOfModel({ producer }: Value): boolean {
    const from = producer?.op === "Shape" ? producer.input(0) : null;
    return from !== null && this.#models.has(from);
  }

  /**
   * A vector put together of others; null where one of its sizes is no value. The shape of what a layer computes may be
   * made of products, too: see {@link #multiplied}.
   */
  #joined({ sizes }: SizeValue, value: Value): Value | null {
    const node = value.producer;
    if (node?.graph !== this.#graph) return null;
    const parts = sizes.map((size) => this.vector(size) ?? this.#product(size, node));
    const known = parts.filter((part) => part !== null);
    const isThere =
      node.op === "Concat" &&
      known.length === node.inputs.length &&
      known.every((part, i) => part === node.input(i));
    if (known.length < parts.length || isThere) return null;
    return new Builder(this.#rw, before(node)).concat(known, 0, `${value.name ?? "sizes"}_joined`);
  }

  /**
   * A size that is read of what a layer computes, as a product of those of inputs: what one layer reads of its own values
   * would tie the others to it. Null for any other value.
   */
  #multiplied({ isVector, sizes: [size] }: SizeValue, { producer }: Value): Value | null {
    if (!isVector || size === undefined || producer?.graph !== this.#graph) return null;
    return this.#product(size, producer);
  }

  /** A product of symbols as a vector of one, for the node that reads it of a value; null for any other node. */
  #product(size: Polynomial, reader: Node): Value | null {
    const { product } = size;
    if (product === null || reader.op !== "Shape") return null;
    const wanted: SizeValue = { isVector: true, sizes: [size] };
    const { factor, symbols } = product;
    const parts = symbols.map((symbol) => this.#ofSymbol(symbol));
    const known = parts.filter((part) => part !== null);
    const [first, ...rest] = factor === 1 ? known : [...known, this.constant([factor])];
    if (first === undefined || known.length < parts.length) return null;
    const b = new Builder(this.#rw, before(reader));
    const name = [...(factor === 1 ? [] : [factor]), ...symbols, "size"].join("_");
    const made = rest.reduce(
      (at, part, i) => b.op("Mul", [at, part], i < rest.length - 1 ? `${name}_part` : name),
      first,
    );
    this.#known.set(keyOf(wanted), made);
    return made;
  }

  /** A symbol as a vector of one, if an input has it. */
  #ofSymbol(symbol: string): Value | null {
    const size = Polynomial.symbol(symbol);
    const wanted: SizeValue = { isVector: true, sizes: [size] };
    const known = this.#get(wanted) ?? this.#ofInput(wanted, size);
    if (known !== null) this.#known.set(keyOf(wanted), known);
    return known;
  }

  /** A symbol as a graph input has it; null where none does. */
  #ofInput({ isVector, sizes }: SizeValue, symbol: Polynomial): Value | null {
    const found = this.#inputs.get(symbol.key);
    const { first } = this.#graph;
    if (found === undefined || first === null) return null;
    const name = `${symbol.key}_size`;
    if (isVector) {
      const b = new Builder(this.#rw, before(first));
      if (b.opset < OPSET_OF_PARTS) return b.dim(found.value, found.axis, name);
      return b.dims(found.value, found.axis, found.axis + 1, name);
    }
    const vector: SizeValue = { isVector: true, sizes };
    const known = this.#get(vector) ?? this.#ofInput(vector, symbol);
    if (known?.producer?.graph !== this.#graph) return null;
    this.#known.set(keyOf(vector), known);
    return new Builder(this.#rw, after(known.producer)).op("Squeeze", [known], `${symbol.key}_number`);
  }
}

function keyOf({ isVector, sizes }: SizeValue): string {
  return `${isVector ? "vector" : "number"} ${sizes.map(({ key }) => key).join(", ")}`;
}

function isFloating(value: Value): boolean {
  const dtype = asTensor(value.type)?.dtype;
  return dtype === undefined || !/^u?int|^bool/.test(dtype);
}
