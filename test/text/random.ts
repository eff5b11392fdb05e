import type { Attribute } from "../../compiler/ir/attribute.ts";
import { byteSize, dtypes, type DType } from "../../compiler/ir/dtype.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import type { ValueType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";

const words = [
  "a",
  "b_1",
  "float",
  "nan",
  "seq",
  "/m/l.0/q",
  "x::y",
  'q"\\',
  "two\nlines",
  "é中 ",
  "#meta",
  "from",
  "?0",
  "",
];
const loc = { file: "", path: "" };

/** A generator of models that use everything the IR has, in odd ways, but are well formed. */
export class RandomModels {
  readonly #rw = new Rewriter();
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  model(): Model {
    const model = this.#rw.model(loc, this.#int(15), this.#graph([], 0, true));
    for (const domain of ["", "tfc", "a b"]) this.#rw.setOpset(model, domain, this.#int(30));
    this.#meta(model);
    for (let i = this.#int(3); i > 0; i--) {
      const parameters = this.#some(3, () => this.#word());
      const defaults = new Map(this.#some(3, () => [`d${this.#word()}`, this.#attribute([], 9)] as const));
      const id = { domain: this.#word(), name: `f${i}${this.#word()}`, overload: this.#word() };
      const func = this.#rw.func(loc, id, this.#graph([], 0, false, id.name), new Map([["", 21]]), {
        parameters,
        defaults,
      });
      this.#meta(func);
      this.#rw.addFunction(model, func);
    }
    return model;
  }

  #graph(outer: readonly Value[], depth: number, hasInitializers: boolean, name = this.#word()): Graph {
    const rw = this.#rw;
    const graph = rw.graph(loc, name);
    this.#meta(graph);
    const seen = [...outer];
    // Names clash within a graph; that inner names hide outer ones is not well formed.
    const named = (): string | undefined => (this.#int(3) === 0 ? undefined : `${depth}${this.#word()}`);
    for (let i = this.#int(4); i > 0; i--) {
      const value = rw.value(loc, named(), this.#int(3) === 0 ? undefined : this.#type());
      this.#meta(value);
      rw.addInput(graph, value);
      seen.push(value);
    }
    for (let i = hasInitializers ? this.#int(4) : 0; i > 0; i--) {
      const tensor = this.#tensor();
      const value = rw.value(
        loc,
        named(),
        { kind: "tensor", dtype: tensor.dtype, shape: tensor.shape },
        tensor,
      );
      this.#meta(value);
      seen.push(rw.addInitializer(graph, value));
    }
    for (let i = this.#int(6); i > 0; i--) seen.push(...this.#node(graph, seen, depth, named));
    const own = seen.filter((value) => value.scope === graph);
    this.#some(3, () => this.#pick(own)).forEach((value, i) => {
      if (value !== undefined) rw.setOutput(graph, i, value);
    });
    return graph;
  }

  #node(
    graph: Graph,
    seen: readonly Value[],
    depth: number,
    named: () => string | undefined,
  ): readonly Value[] {
    const rw = this.#rw;
    const name = this.#word();
    const node = rw.node({
      op: this.#word() || "Op",
      domain: this.#word(),
      overload: this.#word(),
      ...(name === "" ? {} : { name }),
      inputs: this.#some(4, () => (this.#int(4) === 0 ? null : (this.#pick(seen) ?? null))),
      outputs: this.#some(4, named),
      loc,
    });
    for (let i = this.#int(4); i > 0; i--)
      rw.setAttribute(node, `a${this.#word()}`, this.#attribute(seen, depth));
    this.#meta(node);
    for (const value of node.outputs) {
      if (value.name === undefined && this.#int(2) === 0) continue;
      if (this.#int(2) === 0) rw.setType(value, this.#type());
      this.#meta(value);
    }
    return rw.append(graph, node).outputs;
  }

  #attribute(seen: readonly Value[], depth: number): Attribute {
    const floats = (): number[] =>
      this.#some(3, () => Math.fround((this.#int(2 ** 31) - 2 ** 30) / 2 ** this.#int(60)));
    const kinds: (() => Attribute)[] = [
      () => ({ kind: "int", value: this.#bits(64) }),
      () => ({ kind: "float", value: floats()[0] ?? -0 }),
      () => ({ kind: "string", value: this.#text() }),
      () => ({ kind: "tensor", value: this.#tensor() }),
      () => ({ kind: "type", value: this.#type() }),
      () => ({ kind: "ints", value: this.#some(3, () => this.#bits(64)) }),
      () => ({ kind: "floats", value: floats() }),
      () => ({ kind: "strings", value: this.#some(3, () => this.#text()) }),
      () => ({ kind: "tensors", value: this.#some(3, () => this.#tensor()) }),
      () => ({ kind: "types", value: this.#some(3, () => this.#type()) }),
      () => ({ kind: "ref", parameter: this.#word(), of: this.#int(15) }),
      () => ({ kind: "graph", value: this.#graph(seen, depth + 1, true) }),
      () => ({ kind: "graphs", value: this.#some(3, () => this.#graph(seen, depth + 1, true)) }),
    ];
    const make = kinds[this.#int(depth > 1 ? kinds.length - 2 : kinds.length)] ?? kinds[0];
    return make?.() ?? { kind: "unknown" };
  }

  #type(): ValueType {
    const dtype = this.#pick(dtypes) ?? "float";
    const shape = this.#some(
      4,
      () => [null, this.#int(9), this.#word().replace("\n", " ")][this.#int(3)] ?? null,
    );
    const types: (() => ValueType)[] = [
      () => ({ kind: "tensor", dtype, shape }),
      () => ({ kind: "tensor", dtype }),
      () => ({ kind: "sparse_tensor", dtype, shape }),
      () => ({ kind: "seq", of: this.#type() }),
      () => ({ kind: "optional" }),
      () => ({ kind: "map", key: dtype, of: this.#type() }),
      () => ({ kind: "opaque", domain: "a.b", name: "c" }),
      () => ({
        kind: "opaque",
        domain: this.#word().replace("\n", " "),
        name: this.#word().replace("\n", " "),
      }),
    ];
    return types[this.#int(types.length)]?.() ?? { kind: "tensor", dtype };
  }

  #tensor(): Tensor {
    const dtype = this.#pick(dtypes.filter((d) => d !== "undefined")) ?? "float";
    const shape = this.#some(3, () => this.#int(6));
    const size = shape.reduce((n, d) => n * d, 1);
    if (dtype === "string") {
      return new Tensor(dtype, shape, {
        kind: "strings",
        strings: Array.from({ length: size }, () => this.#text()),
      });
    }
    if (this.#int(5) === 0)
      return new Tensor(dtype, shape, { kind: "external", location: `w${this.#word()}`, range: null });
    return new Tensor(dtype, shape, {
      kind: "memory",
      bytes: this.#bytes(dtype, byteSize(dtype, size) ?? 0),
    });
  }

  /** Random bytes, but without the payloads of nan, which text does not keep. */
  #bytes(dtype: DType, count: number): Uint8Array {
    const bytes = Uint8Array.from({ length: count }, () => this.#int(256));
    const widths: Partial<Record<DType, number>> = {
      float16: 2,
      bfloat16: 2,
      float: 4,
      complex64: 4,
      double: 8,
      complex128: 8,
    };
    const width = widths[dtype];
    return width === undefined
      ? bytes
      : bytes.map((byte, i) => (i % width === width - 1 ? byte & 0xb7 : byte));
  }

  #text(): Uint8Array {
    if (this.#int(4) === 0) return Uint8Array.from({ length: this.#int(5) }, () => this.#int(256));
    return new TextEncoder().encode(this.#word());
  }

  #meta(entity: Parameters<Rewriter["setMeta"]>[0]): void {
    if (this.#int(4) > 0) return;
    for (let i = this.#int(3); i > 0; i--)
      this.#rw.setMeta(entity, `${this.#int(3)}${this.#word()}`, this.#word());
  }

  #word(): string {
    return this.#pick(words) ?? "";
  }

  #some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.#int(most) }, make);
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#int(from.length)];
  }

  #bits(count: number): bigint {
    let value = 0n;
    for (let i = 0; i < count; i += 16) value = (value << 16n) | BigInt(this.#int(65536));
    return BigInt.asIntN(count, value >> BigInt(this.#int(count)));
  }

  /** An integer below `below` (mulberry32). */
  #int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  }
}
