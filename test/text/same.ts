import { expect } from "@jest/globals";
import { attribute, graphsOf, type Attribute } from "../../compiler/ir/attribute.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Tensor } from "../../compiler/ir/tensor.ts";
import { typeText } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";

/** Expects two models to hold the same, whatever their values are called. */
export function expectSame(a: Model, b: Model): void {
  expect([b.irVersion, [...b.opsets], [...b.meta]]).toEqual([a.irVersion, [...a.opsets], [...a.meta]]);
  expect([...b.functions.keys()]).toEqual([...a.functions.keys()]);
  new Comparison().graph(a.graph, b.graph);
  for (const [key, func] of a.functions) {
    const other = b.functions.get(key);
    expect(headOf(other)).toEqual(headOf(func));
    if (other !== undefined) new Comparison().graph(func.body, other.body);
  }
}

function headOf(func: Func | undefined): unknown {
  if (func === undefined) return undefined;
  const defaults = [...func.defaults].sort(([x], [y]) => (x < y ? -1 : 1));
  return [
    func.parameters,
    defaults.map(([name, attr]) => [name, contentOf(attr)]),
    [...func.opsets],
    [...func.meta],
  ];
}

/** Walks two graphs side by side; each value of one must always stand for the same value of the other. */
class Comparison {
  readonly #partners = new Map<Value, Value>();
  readonly #taken = new Set<Value>();

  graph(a: Graph, b: Graph): void {
    expect([b.name, b.size, b.initializers.size, [...b.meta]]).toEqual([
      a.name,
      a.size,
      a.initializers.size,
      [...a.meta],
    ]);
    this.#values(a.inputs, b.inputs);
    this.#values([...a.initializers], [...b.initializers]);
    const others = [...b.nodes];
    for (const [i, node] of [...a.nodes].entries()) {
      const other = others[i];
      if (other === undefined) continue;
      expect([other.domain, other.opType, other.overload, other.name]).toEqual([
        node.domain,
        node.opType,
        node.overload,
        node.name,
      ]);
      expect([...other.meta]).toEqual([...node.meta]);
      this.#values(node.inputs, other.inputs);
      this.#values(node.outputs, other.outputs);
      expect([...other.attributes.keys()].sort()).toEqual([...node.attributes.keys()].sort());
      for (const [key, attr] of node.attributes) {
        const twin = other.attributes.get(key) ?? attribute.int(0);
        expect(contentOf(twin)).toEqual(contentOf(attr));
        const inner = graphsOf(twin);
        graphsOf(attr).forEach((graph, j) => {
          if (inner[j] !== undefined) this.graph(graph, inner[j]);
        });
      }
    }
    this.#values(a.outputs, b.outputs);
  }

  #values(a: readonly (Value | null)[], b: readonly (Value | null)[]): void {
    expect(b.length).toBe(a.length);
    for (const [i, value] of a.entries()) {
      const other = b[i] ?? null;
      if (value === null || other === null) {
        expect(other).toBe(value);
        continue;
      }
      const partner = this.#partners.get(value);
      if (partner === undefined) {
        expect(this.#taken.has(other)).toBe(false);
        this.#partners.set(value, other);
        this.#taken.add(other);
        expect(typeText(other.type)).toBe(typeText(value.type));
        expect([...other.meta]).toEqual([...value.meta]);
        expect(tensorContent(other.constant)).toEqual(tensorContent(value.constant));
      } else expect(other).toBe(partner);
    }
  }
}

function contentOf(attr: Attribute): unknown {
  switch (attr.kind) {
    case "tensor":
      return [attr.kind, tensorContent(attr.value)];
    case "tensors":
      return [attr.kind, attr.value.map((tensor) => tensorContent(tensor))];
    case "graph":
    case "graphs":
      return [attr.kind, graphsOf(attr).length];
    case "string":
      return [attr.kind, [...attr.value]];
    case "strings":
      return [attr.kind, attr.value.map((bytes) => [...bytes])];
    case "type":
      return [attr.kind, typeText(attr.value)];
    case "types":
      return [attr.kind, attr.value.map((type) => typeText(type))];
    default:
      return attr;
  }
}

function tensorContent(tensor: Tensor | undefined): unknown {
  if (tensor === undefined) return undefined;
  const { dtype, shape, storage } = tensor;
  if (storage.kind === "strings") return [dtype, shape, storage.strings.map((bytes) => [...bytes])];
  return [dtype, shape, storage.kind === "external" ? storage.location : [...tensor.bytes()]];
}
