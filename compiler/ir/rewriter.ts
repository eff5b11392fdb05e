import { sameAttribute, type Attribute } from "./attribute.ts";
import { Edits } from "./edits.ts";
import { NO_META, type Entity, type Loc } from "./entity.ts";
import { Graph, type Declarations } from "./graph.ts";
import { Func, Model, type ModelHeader } from "./model.ts";
import { open } from "./mutable.ts";
import { Node, type NodeSpec } from "./node.ts";
import type { Tensor } from "./tensor.ts";
import { sameType, type ValueType } from "./type.ts";
import { Value, type Use } from "./value.ts";

/**
 * The only writer of the IR. It keeps uses, producers and node order true, and counts what it changed, so that
 * "did this pass change anything" is a fact and not a flag that a pass must remember to set. Writing what is there
 * already changes nothing. An edit that is refused has changed nothing either.
 */
export class Rewriter extends Edits {
  /** The pass whose edits these are, which the locations of new nodes name. */
  readonly pass: string | undefined;
  constructor(pass?: string) {
    super();
    this.pass = pass;
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
    this.own(graph, model);
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
    this.own(body, func);
    return func;
  }

  /** A detached node with its inputs and attributes in place. */
  node(spec: NodeSpec): Node {
    const node = new Node(spec.loc, spec.domain ?? "", spec.op, spec.overload ?? "", spec.name);
    this.changed();
    if (spec.source !== undefined) open(node).source = spec.source;
    if (spec.meta !== undefined) open(node).importedMeta = spec.meta;
    for (const [name, attr] of Object.entries(spec.attributes ?? {})) this.setAttribute(node, name, attr);
    spec.inputs.forEach((value, index) => {
      this.link(node, index, value);
    });
    const outputs = spec.outputs ?? 1;
    const names = typeof outputs === "number" ? Array.from({ length: outputs }, () => undefined) : outputs;
    open(node).outputs = names.map((name) => this.output(node, new Value(spec.loc, name)));
    return node;
  }

  // ---- placing nodes

  append(graph: Graph, node: Node): Node {
    return this.place(graph, node, graph.last);
  }

  insertBefore(anchor: Node, node: Node): Node {
    return this.place(this.graphOf(anchor), node, anchor.prev);
  }

  insertAfter(anchor: Node, node: Node): Node {
    return this.place(this.graphOf(anchor), node, anchor);
  }

  /** Takes a node out. Its outputs must have no uses. */
  remove(node: Node): void {
    const used = node.outputs.find((value) => value.uses.size > 0);
    if (used !== undefined)
      throw new Error(`cannot remove ${node.op}: its output "${used.name ?? ""}" is used`);
    this.detach(node, this.graphOf(node));
    this.unlink(node);
    for (const graph of node.subgraphs) this.clear(graph);
  }

  /** Moves a node, with its outputs and uses, behind another one. */
  moveAfter(node: Node, anchor: Node): void {
    if (node !== anchor && anchor.next !== node) this.move(node, this.graphOf(anchor), anchor);
  }

  /** Moves a node, with its outputs and uses, in front of another one. */
  moveBefore(node: Node, anchor: Node): void {
    const graph = this.graphOf(anchor);
    if (node === anchor || anchor.prev === node) return;
    this.move(node, graph, anchor.prev);
  }

  // ---- wiring

  /** Makes `value` a node's input number `index`; null leaves the input out. */
  setInput(node: Node, index: number, value: Value | null): void {
    if (index >= node.inputs.length || node.inputs[index] !== value) this.link(node, index, value);
  }

  /** Takes an input out of a node; those behind it move up. */
  removeNodeInput(node: Node, index: number): void {
    if (index >= node.inputs.length) throw new Error(`${node.op} has no input ${index}`);
    for (let i = index; i < node.inputs.length; i++) this.link(node, i, node.inputs[i + 1] ?? null);
    open(node).inputs.pop();
    open(node).links.pop();
  }

  /** Makes a node a call of a function. */
  setCallee(node: Node, { domain, name, overload }: Func): void {
    if (node.domain === domain && node.opType === name && node.overload === overload) return;
    this.changed();
    open(node).domain = domain;
    open(node).opType = name;
    open(node).overload = overload;
  }

  /**
   * Makes every reader of `from` read `to`. A graph output keeps its name and type, since that is the model's
   * interface: the name moves to `to`, and `from` becomes unnamed. Where `to` cannot bear it (it is no node's output in
   * that graph, or bears the name of another output), an Identity of it does.
   */
  replaceUses(from: Value, to: Value, where: (use: Use) => boolean = () => true): void {
    if (from === to) return;
    const { name, type } = from;
    const bearers = new Map<Graph, Value>();
    for (const use of [...from.uses]) {
      if (!where(use)) continue;
      if (use.kind === "input") {
        this.link(use.node, use.index, to);
        continue;
      }
      const bearer = bearers.get(use.graph) ?? this.#bearer(to, use.graph, from.loc);
      bearers.set(use.graph, bearer);
      this.setName(from, undefined);
      this.setName(bearer, name);
      if (type !== undefined) this.setType(bearer, type);
      if (from.source !== undefined) this.setSource(bearer, from.source);
      this.setOutput(use.graph, use.index, bearer);
    }
  }

  /** Makes `value` the graph's output number `index`, or a new last output. */
  setOutput(graph: Graph, index: number, value: Value): void {
    const { outputs } = open(graph);
    if (index > outputs.length) throw new Error(`output ${index} of a graph that has ${outputs.length}`);
    const old = outputs[index];
    if (old === value) return;
    this.changed();
    const graphLinks = open(graph).links;
    const link = graphLinks[index];
    if (old !== undefined && link !== undefined) open(old).uses.delete(link);
    const use: Use = { kind: "output", graph, index };
    outputs[index] = value;
    graphLinks[index] = use;
    open(value).uses.add(use);
  }

  /** Takes an output out of a graph; those behind it move up. */
  removeOutput(graph: Graph, index: number): void {
    const { outputs, links } = open(graph);
    if (index < 0 || index >= outputs.length)
      throw new Error(`output ${index} of a graph that has ${outputs.length}`);
    for (let i = index; i < outputs.length - 1; i++) {
      const next = outputs[i + 1];
      if (next !== undefined) this.setOutput(graph, i, next);
    }
    this.changed();
    const [last, link] = [outputs.pop(), links.pop()];
    if (last !== undefined && link !== undefined) open(last).uses.delete(link);
  }

  /** Makes a value the last input of a graph. An initializer of the graph becomes the input's default. */
  addInput(graph: Graph, value: Value): void {
    this.claim(graph, value);
    if (value.isInput) throw new Error(`"${value.name ?? ""}" is an input already`);
    this.changed();
    open(graph).inputs.push(value);
    open(value).isInput = true;
  }

  /** Takes an input out of a graph. One with a default stays as an initializer; any other must have no uses. */
  removeInput(graph: Graph, value: Value): void {
    const index = graph.inputs.indexOf(value);
    if (index < 0) throw new Error(`"${value.name ?? ""}" is no input of the graph`);
    const hasDefault = graph.initializers.has(value);
    if (!hasDefault && value.uses.size > 0)
      throw new Error(`cannot remove input "${value.name ?? ""}": it is used`);
    this.changed();
    open(graph).inputs.splice(index, 1);
    open(value).isInput = false;
    if (!hasDefault) open(value).graph = null;
  }

  addInitializer(graph: Graph, value: Value): Value {
    if (value.constant === undefined) throw new Error(`initializer "${value.name ?? ""}" has no tensor`);
    this.claim(graph, value);
    if (graph.initializers.has(value)) return value;
    this.changed();
    open(graph).initializers.add(value);
    return value;
  }

  /** Gives a graph a value that no IR field defines: a sparse initializer, which only its source message holds. */
  adopt(graph: Graph, value: Value): void {
    this.claim(graph, value);
  }

  /** Takes an initializer out. One that is an input stays as that, without its default; any other must have no uses. */
  removeInitializer(value: Value): void {
    const { graph } = value;
    if (graph?.initializers.has(value) !== true)
      throw new Error(`"${value.name ?? ""}" is no initializer of a graph`);
    if (!value.isInput && value.uses.size > 0)
      throw new Error(`cannot remove initializer "${value.name ?? ""}": it is used`);
    this.changed();
    open(graph).initializers.delete(value);
    if (value.isInput) open(value).constant = undefined;
    else open(value).graph = null;
  }

  // ---- fields

  setAttribute(node: Node, name: string, attr: Attribute): void {
    const old = node.attributes.get(name);
    if (old !== undefined && sameAttribute(old, attr)) return;
    this.changed();
    if (node.attributes.size === 0) open(node).attributes = new Map();
    open(node).attributes.set(name, attr);
    this.hold(node, old, attr);
  }

  removeAttribute(node: Node, name: string): void {
    const old = node.attributes.get(name);
    if (old === undefined) return;
    this.changed();
    open(node).attributes.delete(name);
    this.hold(node, old);
  }

  setName(entity: Value | Node, name: string | undefined): void {
    if (entity.name === name) return;
    this.changed();
    open(entity).name = name;
  }

  setType(value: Value, type: ValueType | undefined): void {
    if (sameType(value.type, type)) return;
    this.changed();
    open(value).type = type;
  }

  setConstant(value: Value, constant: Tensor | undefined): void {
    if (value.constant === constant) return;
    this.changed();
    open(value).constant = constant;
  }

  setInitial(value: Value, initial: Tensor): void {
    this.changed();
    open(value).initial = initial;
  }

  setMeta(entity: Entity, key: string, value: string): void {
    if (entity.meta.get(key) === value) return;
    this.changed();
    if (entity.meta === NO_META) open(entity).meta = new Map();
    open(entity).meta.set(key, value);
  }

  removeMeta(entity: Entity, key: string): void {
    if (!entity.meta.has(key)) return;
    this.changed();
    open(entity).meta.delete(key);
  }

  setSource(entity: Entity, source: Uint8Array): void {
    if (entity.source === source) return;
    this.changed();
    open(entity).source = source;
  }

  /** Notes what an imported graph said of its values. */
  setDeclared(graph: Graph, declared: Declarations): void {
    open(graph).declared = declared;
  }

  setHeader(model: Model, header: ModelHeader): void {
    this.changed();
    open(model).header = header;
  }

  setIrVersion(model: Model, version: number): void {
    if (model.irVersion === version) return;
    this.changed();
    open(model).irVersion = version;
  }

  setOpset(owner: Model | Func, domain: string, version: number): void {
    if (owner.opsets.get(domain) === version) return;
    this.changed();
    open(owner).opsets.set(domain, version);
  }

  addFunction(model: Model, func: Func): void {
    if (model.functions.has(func.key)) throw new Error(`the model already has a function ${func.key}`);
    this.changed();
    open(model).functions.set(func.key, func);
  }

  removeFunction(model: Model, func: Func): void {
    if (model.functions.get(func.key) !== func) throw new Error(`the model has no function ${func.key}`);
    this.changed();
    open(model).functions.delete(func.key);
    this.clear(func.body);
  }

  /** A value that can be the output of a graph in place of another. */
  #bearer(value: Value, graph: Graph, loc: Loc): Value {
    if (value.producer?.graph === graph && !value.isOutput) return value;
    return this.append(graph, this.node({ op: "Identity", inputs: [value], loc })).result;
  }
}
