import { graphsOf, sameAttribute, type Attribute } from "./attribute.ts";
import type { Entity, Loc } from "./entity.ts";
import { Graph, type Declarations, type Owner } from "./graph.ts";
import { Func, Model, type ModelHeader } from "./model.ts";
import { open } from "./mutable.ts";
import { Node } from "./node.ts";
import type { Tensor } from "./tensor.ts";
import { typeText, type ValueType } from "./type.ts";
import { Value, type Use } from "./value.ts";
import { nodesDeep } from "./walk.ts";

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
 * The use object behind each input of a node and each output of a graph. A scalar constant may have thousands of
 * uses: looking one up here keeps an edit's cost independent of that number.
 */
const links = new WeakMap<Node | Graph, (Use | undefined)[]>();

function linksOf(reader: Node | Graph): (Use | undefined)[] {
  let found = links.get(reader);
  if (found === undefined) links.set(reader, (found = []));
  return found;
}

/** Whether a value knows of a use: what the verifier asks. */
export function isLinked(use: Use, value: Value): boolean {
  const link = links.get(use.kind === "input" ? use.node : use.graph)?.[use.index];
  return link !== undefined && value.uses.has(link);
}

/**
 * The only writer of the IR. It keeps uses, producers and node order true, and counts what it changed, so that
 * "did this pass change anything" is a fact and not a flag that a pass must remember to set. Writing what is there
 * already changes nothing. An edit that is refused has changed nothing either.
 */
export class Rewriter {
  /** The pass whose edits these are, which the locations of new nodes name. */
  readonly pass: string | undefined;
  #changes = 0;

  constructor(pass?: string) {
    this.pass = pass;
  }

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
    this.#detach(node, this.#graphOf(node));
    this.#unlink(node);
    for (const graph of node.subgraphs) this.#clear(graph);
  }

  /** Moves a node, with its outputs and uses, behind another one. */
  moveAfter(node: Node, anchor: Node): void {
    if (node !== anchor && anchor.next !== node) this.#move(node, this.#graphOf(anchor), anchor);
  }

  /** Moves a node, with its outputs and uses, in front of another one. */
  moveBefore(node: Node, anchor: Node): void {
    const graph = this.#graphOf(anchor);
    if (node === anchor || anchor.prev === node) return;
    this.#move(node, graph, anchor.prev);
  }

  // ---- wiring

  /** Makes `value` a node's input number `index`; null leaves the input out. */
  setInput(node: Node, index: number, value: Value | null): void {
    if (index >= node.inputs.length || node.inputs[index] !== value) this.#link(node, index, value);
  }

  /** Takes an input out of a node; those behind it move up. */
  removeNodeInput(node: Node, index: number): void {
    if (index >= node.inputs.length) throw new Error(`${node.op} has no input ${index}`);
    for (let i = index; i < node.inputs.length; i++) this.#link(node, i, node.inputs[i + 1] ?? null);
    open(node).inputs.pop();
    linksOf(node).pop();
  }

  /** Makes a node a call of a function. */
  setCallee(node: Node, { domain, name, overload }: Func): void {
    if (node.domain === domain && node.opType === name && node.overload === overload) return;
    this.#changes++;
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
        this.#link(use.node, use.index, to);
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
    this.#changes++;
    const graphLinks = linksOf(graph);
    const link = graphLinks[index];
    if (old !== undefined && link !== undefined) open(old).uses.delete(link);
    const use: Use = { kind: "output", graph, index };
    outputs[index] = value;
    graphLinks[index] = use;
    open(value).uses.add(use);
  }

  /** Makes a value the last input of a graph. An initializer of the graph becomes the input's default. */
  addInput(graph: Graph, value: Value): void {
    this.#claim(graph, value);
    if (value.isInput) throw new Error(`"${value.name ?? ""}" is an input already`);
    this.#changes++;
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
    this.#changes++;
    open(graph).inputs.splice(index, 1);
    open(value).isInput = false;
    if (!hasDefault) open(value).graph = null;
  }

  addInitializer(graph: Graph, value: Value): Value {
    if (value.constant === undefined) throw new Error(`initializer "${value.name ?? ""}" has no tensor`);
    this.#claim(graph, value);
    if (graph.initializers.has(value)) return value;
    this.#changes++;
    open(graph).initializers.add(value);
    return value;
  }

  /** Gives a graph a value that no IR field defines: a sparse initializer, which only its source message holds. */
  adopt(graph: Graph, value: Value): void {
    this.#claim(graph, value);
  }

  /** Takes an initializer out. One that is an input stays as that, without its default; any other must have no uses. */
  removeInitializer(value: Value): void {
    const { graph } = value;
    if (graph?.initializers.has(value) !== true)
      throw new Error(`"${value.name ?? ""}" is no initializer of a graph`);
    if (!value.isInput && value.uses.size > 0)
      throw new Error(`cannot remove initializer "${value.name ?? ""}": it is used`);
    this.#changes++;
    open(graph).initializers.delete(value);
    if (value.isInput) open(value).constant = undefined;
    else open(value).graph = null;
  }

  // ---- fields

  setAttribute(node: Node, name: string, attr: Attribute): void {
    const old = node.attributes.get(name);
    if (old !== undefined && sameAttribute(old, attr)) return;
    this.#changes++;
    for (const graph of graphsOf(attr)) this.#own(graph, node);
    open(node).attributes.set(name, attr);
    if (old !== undefined) this.#disown(node, old, graphsOf(attr));
  }

  removeAttribute(node: Node, name: string): void {
    const old = node.attributes.get(name);
    if (old === undefined) return;
    this.#changes++;
    open(node).attributes.delete(name);
    this.#disown(node, old, []);
  }

  setName(entity: Value | Node, name: string | undefined): void {
    if (entity.name === name) return;
    this.#changes++;
    open(entity).name = name;
  }

  setType(value: Value, type: ValueType | undefined): void {
    if (sameType(value.type, type)) return;
    this.#changes++;
    open(value).type = type;
  }

  setConstant(value: Value, constant: Tensor | undefined): void {
    if (value.constant === constant) return;
    this.#changes++;
    open(value).constant = constant;
  }

  setInitial(value: Value, initial: Tensor): void {
    this.#changes++;
    open(value).initial = initial;
  }

  setMeta(entity: Entity, key: string, value: string): void {
    if (entity.meta.get(key) === value) return;
    this.#changes++;
    open(entity).meta.set(key, value);
  }

  setSource(entity: Entity, source: Uint8Array): void {
    if (entity.source === source) return;
    this.#changes++;
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
    if (model.irVersion === version) return;
    this.#changes++;
    open(model).irVersion = version;
  }

  setOpset(owner: Model | Func, domain: string, version: number): void {
    if (owner.opsets.get(domain) === version) return;
    this.#changes++;
    open(owner).opsets.set(domain, version);
  }

  addFunction(model: Model, func: Func): void {
    if (model.functions.has(func.key)) throw new Error(`the model already has a function ${func.key}`);
    this.#changes++;
    open(model).functions.set(func.key, func);
  }

  removeFunction(model: Model, func: Func): void {
    if (model.functions.get(func.key) !== func) throw new Error(`the model has no function ${func.key}`);
    this.#changes++;
    open(model).functions.delete(func.key);
    this.#clear(func.body);
  }

  // ---- inside

  #own(graph: Graph, owner: Owner): void {
    open(graph).owner = owner;
  }

  /** Ends the uses inside graphs that a node held and holds no more. */
  #disown(node: Node, attr: Attribute, kept: readonly Graph[]): void {
    for (const graph of graphsOf(attr)) {
      if (graph.owner !== node || kept.includes(graph)) continue;
      this.#clear(graph);
      open(graph).owner = null;
    }
  }

  /** Makes a value one of a graph's own. */
  #claim(graph: Graph, value: Value): void {
    if (value.graph === graph) return;
    if (value.producer !== null || value.graph !== null)
      throw new Error(`"${value.name ?? ""}" is defined elsewhere already`);
    this.#changes++;
    open(value).graph = graph;
  }

  #output(node: Node, value: Value): Value {
    open(value).producer = node;
    return value;
  }

  #graphOf(node: Node): Graph {
    if (node.graph === null) throw new Error(`${node.op} is in no graph`);
    return node.graph;
  }

  #move(node: Node, to: Graph, after: Node | null): void {
    const from = this.#graphOf(node);
    this.#detach(node, from);
    this.#place(to, node, after);
  }

  #place(graph: Graph, node: Node, after: Node | null): Node {
    if (node.graph !== null) throw new Error(`${node.op} is in a graph already`);
    for (const walk of graph.walks) walk.entering(node, after);
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

  #detach(node: Node, graph: Graph): void {
    for (const walk of graph.walks) walk.leaving(node);
    this.#changes++;
    if (node.prev === null) open(graph).first = node.next;
    else open(node.prev).next = node.next;
    if (node.next === null) open(graph).last = node.prev;
    else open(node.next).prev = node.prev;
    open(node).prev = null;
    open(node).next = null;
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

  /** A value that can be the output of a graph in place of another. */
  #bearer(value: Value, graph: Graph, loc: Loc): Value {
    if (value.producer?.graph === graph && !value.isOutput) return value;
    return this.append(graph, this.node({ op: "Identity", inputs: [value], loc })).result;
  }

  #unlink(node: Node): void {
    node.inputs.forEach((value, index) => {
      if (value !== null) this.#link(node, index, null);
    });
  }

  /** Ends all uses that a graph and the graphs inside it make of values. */
  #clear(graph: Graph): void {
    const graphs = [graph];
    for (const node of nodesDeep(graph)) {
      this.#unlink(node);
      graphs.push(...node.subgraphs);
    }
    for (const one of graphs) {
      const graphLinks = linksOf(one);
      one.outputs.forEach((value, index) => {
        const link = graphLinks[index];
        if (link !== undefined) open(value).uses.delete(link);
      });
    }
  }
}

/** Whether a type says what another does; what it was imported with counts where the second has such a message. */
function sameType(old: ValueType | undefined, type: ValueType | undefined): boolean {
  if (old === type) return true;
  if (old === undefined || type === undefined) return false;
  return (type.source === undefined || type.source === old.source) && typeText(old) === typeText(type);
}
