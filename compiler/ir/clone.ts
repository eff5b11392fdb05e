import type { Attribute } from "./attribute.ts";
import type { Loc } from "./entity.ts";
import type { Graph } from "./graph.ts";
import type { Func } from "./model.ts";
import type { Node } from "./node.ts";
import type { Rewriter } from "./rewriter.ts";
import type { Value } from "./value.ts";

/** Which value stands for which in the copy, null for an input that is left out. Values not in it are captured. */
export type ValueMap = Map<Value, Value | null>;

/**
 * A detached copy of a node, with copies of the graphs it holds. Inputs and captured values are looked up in
 * `map`, and what the copy defines is added to it. Names, metadata and documentation are left behind: they tell of
 * the one place the node came from, and a copy may stand for many.
 */
export function cloneNode(rw: Rewriter, node: Node, map: ValueMap, loc: Loc): Node {
  const cloner = new Cloner(rw, map, loc);
  const copy = cloner.node(node);
  cloner.finish();
  return copy;
}

/** Copies nodes first, and what is inside their graphs after: graphs may be nested deeper than the call stack is. */
class Cloner {
  readonly #rw: Rewriter;
  readonly #map: ValueMap;
  readonly #loc: Loc;
  /** Copies of graphs that are empty yet, with their originals. */
  readonly #empty: { readonly from: Graph; readonly to: Graph }[] = [];

  constructor(rw: Rewriter, map: ValueMap, loc: Loc) {
    this.#rw = rw;
    this.#map = map;
    this.#loc = loc;
  }

  node(node: Node): Node {
    const copy = this.#rw.node({
      op: node.opType,
      domain: node.domain,
      overload: node.overload,
      inputs: node.inputs.map((value) => (value === null ? null : this.#of(value))),
      outputs: node.outputs.length,
      loc: this.#loc,
    });
    node.outputs.forEach((value, i) => {
      const twin = copy.outputs[i];
      if (twin !== undefined) this.#map.set(value, twin);
    });
    for (const [name, attr] of node.attributes) this.#rw.setAttribute(copy, name, this.#attribute(attr));
    return copy;
  }

  /** Fills the copies of graphs, those inside them included. */
  finish(): void {
    for (let next = this.#empty.pop(); next !== undefined; next = this.#empty.pop())
      this.#fill(next.from, next.to);
  }

  #of(value: Value): Value | null {
    const twin = this.#map.get(value);
    return twin === undefined ? value : twin;
  }

  /** @throws Error where nothing stands for it */
  #present(value: Value): Value {
    const twin = this.#of(value);
    if (twin === null) throw new Error(`"${value.name ?? ""}" is left out`);
    return twin;
  }

  #attribute(attr: Attribute): Attribute {
    if (attr.kind === "graph") return { kind: "graph", value: this.#graph(attr.value) };
    if (attr.kind === "graphs") return { kind: "graphs", value: attr.value.map((g) => this.#graph(g)) };
    return attr;
  }

  #graph(from: Graph): Graph {
    const to = this.#rw.graph(this.#loc, from.name);
    this.#empty.push({ from, to });
    return to;
  }

  #fill(from: Graph, to: Graph): void {
    const rw = this.#rw;
    const defined = (value: Value): Value => {
      const twin = rw.value(this.#loc, value.name, value.type, value.constant);
      this.#map.set(value, twin);
      return twin;
    };
    for (const value of from.inputs) rw.addInput(to, defined(value));
    for (const value of from.initializers)
      rw.addInitializer(to, value.isInput ? this.#present(value) : defined(value));
    for (const node of from.nodes) {
      const twin = rw.append(to, this.node(node));
      node.outputs.forEach((value, i) => {
        const output = twin.outputs[i];
        if (output !== undefined) rw.setName(output, value.name);
      });
    }
    from.outputs.forEach((value, i) => {
      const twin = this.#present(value);
      rw.setOutput(to, i, twin);
      // A captured value keeps what it is outside.
      if (value.type !== undefined && twin !== value) rw.setType(twin, value.type);
    });
  }
}

/** A copy of a function under another name. Unlike copied nodes it keeps what the original says of itself. */
export function cloneFunc(rw: Rewriter, func: Func, name: string): Func {
  const body = rw.graph(func.body.loc, name);
  const map: ValueMap = new Map();
  for (const value of func.body.inputs) {
    const twin = rw.value(value.loc, value.name, value.type);
    rw.addInput(body, twin);
    map.set(value, twin);
  }
  for (const node of func.body.nodes) {
    const twin = rw.append(body, cloneNode(rw, node, map, node.loc));
    if (node.name !== undefined) rw.setName(twin, node.name);
    for (const [key, text] of node.meta) rw.setMeta(twin, key, text);
    node.outputs.forEach((value, i) => {
      const output = twin.outputs[i];
      if (output === undefined) return;
      rw.setName(output, value.name);
      if (value.type !== undefined) rw.setType(output, value.type);
    });
  }
  func.body.outputs.forEach((value, i) => {
    rw.setOutput(body, i, map.get(value) ?? value);
  });
  const { parameters, defaults } = func;
  const copy = rw.func(func.loc, { domain: func.domain, name }, body, func.opsets, { parameters, defaults });
  for (const [key, text] of func.meta) rw.setMeta(copy, key, text);
  return copy;
}
