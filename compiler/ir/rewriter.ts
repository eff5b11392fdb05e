import type { Attribute } from "./attribute.ts";
import { graphsOf } from "./attribute.ts";
import type { Entity, Loc } from "./entity.ts";
import { Graph, type Declarations, type Owner } from "./graph.ts";
import { Func, Model, type ModelHeader } from "./model.ts";
import { open } from "./mutable.ts";
import { Node } from "./node.ts";
import type { Tensor } from "./tensor.ts";
import type { ValueType } from "./type.ts";
import { Value, type Use } from "./value.ts";

/** What a new node is made of. Outputs are given as name hints, or as a count of unnamed values. */
export interface NodeSpec {
  readonly op: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  readonly inputs: readonly (Value | null)[];
  readonly outputs?: readonly (string | undefined)[] | number;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly loc: Loc;
  readonly source?: Uint8Array;
  /** Reads the metadata, when it is first asked for. */
  readonly meta?: () => Map<string, string>;
}

/**
 * The use object behind each input of a node. A scalar constant may have thousands of uses: looking one up here
 * keeps an edit's cost independent of that number.
 */
const links = new WeakMap<Node, (Use | undefined)[]>();

function linksOf(node: Node): (Use | undefined)[] {
  let found = links.get(node);
  if (found === undefined) links.set(node, (found = []));
  return found;
}

/** Whether a value knows that a node reads it as this input: what the verifier asks. */
export function isLinked(node: Node, index: number, value: Value): boolean {
  const use = links.get(node)?.[index];
  return use !== undefined && value.uses.has(use);
}

/**
 * The only writer of the IR. It keeps uses, producers and node order true, and counts what it changed, so that
 * "did this pass change anything" is a fact and not a flag that a pass must remember to set.
 */
export class Rewriter {
  #changes = 0;

  /** How many edits were made. */
  get changes(): number {
    return this.#changes;
  }

  // ---- making

  value(loc: Loc, name?: string, type?: ValueType, constant?: Tensor): Value {
    return new Value(loc, name, type, constant);
  }

  graph(loc: Loc, name: string): Graph {
    return new Graph(loc, name);
  }

  model(loc: Loc, irVersion: number, graph: Graph): Model {
    const model = new Model(loc, irVersion, graph);
    this.#own(graph, model);
    return model;
  }

  func(
    loc: Loc,
    id: { readonly domain: string; readonly name: string; readonly overload?: string },
    body: Graph,
    opsets: ReadonlyMap<string, number>,
    attributes: {
      readonly parameters?: readonly string[];
      readonly defaults?: ReadonlyMap<string, Attribute>;
      readonly docString?: string;
    } = {},
  ): Func {
    const func = new Func(loc, id, body, opsets, attributes);
    this.#own(body, func);
    return func;
  }

  /** A detached node with its inputs and attributes in place. */
  node(spec: NodeSpec): Node {
    const node = new Node(spec.loc, spec.domain ?? "", spec.op, spec.overload ?? "", spec.name);
    this.#changes++;
    if (spec.source !== undefined) open(node).source = spec.source;
    if (spec.meta !== undefined) open(node).importedMeta = spec.meta;
    for (const [name, attr] of Object.entries(spec.attributes ?? {})) this.setAttribute(node, name, attr);
    spec.inputs.forEach((value, index) => {
      this.#link(node, index, value);
    });
    const outputs = spec.outputs ?? 1;
    const names = typeof outputs === "number" ? Array.from({ length: outputs }, () => undefined) : outputs;
    open(node).outputs = names.map((name) => this.#output(node, new Value(spec.loc, name)));
    return node;
  }

  // ---- placing nodes

  append(graph: Graph, node: Node): Node {
    return this.#place(graph, node, graph.last);
  }

  insertBefore(anchor: Node, node: Node): Node {
    return this.#place(this.#graphOf(anchor), node, anchor.prev);
  }

  insertAfter(anchor: Node, node: Node): Node {
    return this.#place(this.#graphOf(anchor), node, anchor);
  }

  /** Takes a node out. Its outputs must have no uses. */
  remove(node: Node): void {
    const used = node.outputs.find((value) => value.uses.size > 0);
    if (used !== undefined)
      throw new Error(`cannot remove ${node.op}: its output "${used.name ?? ""}" is used`);
    node.inputs.forEach((_, index) => {
      this.#link(node, index, null);
    });
    for (const graph of node.subgraphs) this.#clear(graph);
    this.#detach(node);
  }

  /** Moves a node, with its outputs and uses, behind another one. */
  moveAfter(node: Node, anchor: Node): void {
    this.#detach(node);
    this.insertAfter(anchor, node);
  }

  /** Moves a node, with its outputs and uses, in front of another one. */
  moveBefore(node: Node, anchor: Node): void {
    this.#detach(node);
    this.insertBefore(anchor, node);
  }

  // ---- wiring

  setInput(node: Node, index: number, value: Value | null): void {
    this.#link(node, index, value);
  }

  /** Takes an input out of a node; those behind it move up. */
  removeNodeInput(node: Node, index: number): void {
    for (let i = index; i < node.inputs.length; i++) this.#link(node, i, node.inputs[i + 1] ?? null);
    open(node).inputs.pop();
    linksOf(node).pop();
  }

  /** Makes a node a call of a function. */
  setCallee(node: Node, func: Func): void {
    this.#changes++;
    open(node).domain = func.domain;
    open(node).opType = func.name;
    open(node).overload = func.overload;
  }

  /**
   * Makes every reader of `from` read `to`. A graph output keeps its name and type, since that is the model's
   * interface: the name moves to `to`, and `from` becomes unnamed.
   */
  replaceUses(from: Value, to: Value, where: (use: Use) => boolean = () => true): void {
    for (const use of [...from.uses]) {
      if (!where(use)) continue;
      if (use.kind === "input") {
        this.#link(use.node, use.index, to);
      } else {
        this.setOutput(use.graph, use.index, this.#bearer(from, to, use.graph));
      }
    }
  }

  /** Makes `value` the graph's output number `index`, or a new last output. */
  setOutput(graph: Graph, index: number, value: Value): void {
    this.#changes++;
    const outputs = open(graph).outputs;
    const old = outputs[index];
    if (old !== undefined) this.#dropOutputUse(old, graph, index);
    outputs[index] = value;
    open(value).uses.add({ kind: "output", graph, index });
  }

  addInput(graph: Graph, value: Value): void {
    this.#changes++;
    open(graph).inputs.push(value);
    open(value).graph = graph;
  }

  /** Takes an input out of a graph. It must have no uses. */
  removeInput(graph: Graph, value: Value): void {
    if (value.uses.size > 0) throw new Error(`cannot remove input "${value.name ?? ""}": it is used`);
    const index = graph.inputs.indexOf(value);
    if (index < 0) throw new Error(`"${value.name ?? ""}" is no input of the graph`);
    this.#changes++;
    open(graph).inputs.splice(index, 1);
    open(value).graph = null;
  }

  addInitializer(graph: Graph, value: Value): Value {
    if (value.constant === undefined) throw new Error(`initializer "${value.name ?? ""}" has no tensor`);
    this.#changes++;
    open(graph).initializers.add(value);
    open(value).graph = graph;
    return value;
  }

  /** Gives a graph a value that no IR field defines: a sparse initializer, which only its source message holds. */
  adopt(graph: Graph, value: Value): void {
    open(value).graph = graph;
  }

  /** Takes an initializer out. It must have no uses. */
  removeInitializer(value: Value): void {
    if (value.uses.size > 0) throw new Error(`cannot remove initializer "${value.name ?? ""}": it is used`);
    this.#changes++;
    if (value.graph !== null) open(value.graph).initializers.delete(value);
    if (!value.isInput) open(value).graph = null;
  }

  // ---- fields

  setAttribute(node: Node, name: string, attr: Attribute): void {
    this.#changes++;
    for (const graph of graphsOf(attr)) this.#own(graph, node);
    open(node).attributes.set(name, attr);
  }

  removeAttribute(node: Node, name: string): void {
    this.#changes++;
    open(node).attributes.delete(name);
  }

  setName(entity: Value | Node, name: string | undefined): void {
    this.#changes++;
    open(entity).name = name;
  }

  setType(value: Value, type: ValueType | undefined): void {
    this.#changes++;
    open(value).type = type;
  }

  setConstant(value: Value, constant: Tensor | undefined): void {
    this.#changes++;
    open(value).constant = constant;
  }

  setMeta(entity: Entity, key: string, value: string): void {
    this.#changes++;
    open(entity).meta.set(key, value);
  }

  setSource(entity: Entity, source: Uint8Array): void {
    open(entity).source = source;
  }

  /** Notes what an imported graph said of its values. */
  setDeclared(graph: Graph, declared: Declarations): void {
    open(graph).declared = declared;
  }

  setHeader(model: Model, header: ModelHeader): void {
    this.#changes++;
    open(model).header = header;
  }

  setIrVersion(model: Model, version: number): void {
    this.#changes++;
    open(model).irVersion = version;
  }

  setOpset(owner: Model | Func, domain: string, version: number): void {
    this.#changes++;
    open(owner).opsets.set(domain, version);
  }

  addFunction(model: Model, func: Func): void {
    if (model.functions.has(func.key)) throw new Error(`the model already has a function ${func.key}`);
    this.#changes++;
    open(model).functions.set(func.key, func);
  }

  removeFunction(model: Model, func: Func): void {
    this.#changes++;
    open(model).functions.delete(func.key);
    this.#clear(func.body);
  }

  // ---- inside

  #own(graph: Graph, owner: Owner): void {
    open(graph).owner = owner;
  }

  #output(node: Node, value: Value): Value {
    open(value).producer = node;
    return value;
  }

  #graphOf(node: Node): Graph {
    if (node.graph === null) throw new Error(`${node.op} is in no graph`);
    return node.graph;
  }

  #place(graph: Graph, node: Node, after: Node | null): Node {
    if (node.graph !== null) throw new Error(`${node.op} is in a graph already`);
    this.#changes++;
    const before = after === null ? graph.first : after.next;
    open(node).graph = graph;
    open(node).prev = after;
    open(node).next = before;
    if (after === null) open(graph).first = node;
    else open(after).next = node;
    if (before === null) open(graph).last = node;
    else open(before).prev = node;
    open(graph).size++;
    return node;
  }

  #detach(node: Node): void {
    const graph = this.#graphOf(node);
    this.#changes++;
    if (node.prev === null) open(graph).first = node.next;
    else open(node.prev).next = node.next;
    if (node.next === null) open(graph).last = node.prev;
    else open(node.next).prev = node.prev;
    // next stays, for walks that stand on this node
    open(node).prev = null;
    open(node).graph = null;
    open(graph).size--;
  }

  #link(node: Node, index: number, value: Value | null): void {
    this.#changes++;
    const inputs = open(node).inputs;
    const nodeLinks = linksOf(node);
    const [old, link] = [inputs[index], nodeLinks[index]];
    if (old !== undefined && old !== null && link !== undefined) open(old).uses.delete(link);
    while (inputs.length < index) inputs.push(null);
    inputs[index] = value;
    const use: Use = { kind: "input", node, index };
    nodeLinks[index] = use;
    if (value !== null) open(value).uses.add(use);
  }

  #dropOutputUse(value: Value, graph: Graph, index: number): void {
    for (const use of value.uses) {
      if (use.kind === "output" && use.graph === graph && use.index === index) open(value).uses.delete(use);
    }
  }

  /** The value that can bear `from`'s output name: `to`, or an Identity of it when `to` already has an interface name. */
  #bearer(from: Value, to: Value, graph: Graph): Value {
    const name = from.name;
    const type = from.type;
    this.setName(from, undefined);
    let bearer = to;
    if (to.producer === null || to.isOutput) {
      const copy = this.node({ op: "Identity", inputs: [to], loc: from.loc });
      this.append(graph, copy);
      bearer = copy.outputs[0] ?? to;
    }
    this.setName(bearer, name);
    if (type !== undefined) this.setType(bearer, type);
    if (from.source !== undefined) this.setSource(bearer, from.source);
    return bearer;
  }

  #clear(graph: Graph): void {
    for (const node of graph.nodes) {
      node.inputs.forEach((_, index) => {
        this.#link(node, index, null);
      });
      for (const inner of node.subgraphs) this.#clear(inner);
    }
    graph.outputs.forEach((value, index) => {
      this.#dropOutputUse(value, graph, index);
    });
  }
}
