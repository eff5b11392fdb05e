import { graphsOf, type Attribute } from "./attribute.ts";
import type { Graph, Owner } from "./graph.ts";
import { open } from "./mutable.ts";
import type { Node } from "./node.ts";
import type { Use, Value } from "./value.ts";
import { nodesDeep } from "./walk.ts";

/** Whether a value knows that a node, by its input of that number, or a graph, by its output, uses it. */
export function isLinked(reader: Node | Graph, index: number, value: Value): boolean {
  const link = reader.links[index];
  return link !== undefined && value.uses.has(link);
}

/**
 * The steps that the rewriter's edits are made of: each leaves uses, producers, owners and node order true together, tells the walks under way,
 * and counts itself.
 */
export class Edits {
  #changes = 0;

  /** How many edits were made. */
  get changes(): number {
    return this.#changes;
  }

  protected changed(): void {
    this.#changes++;
  }

  protected own(graph: Graph, owner: Owner): void {
    open(graph).owner = owner;
  }

  /** Makes a node hold the graphs of its attributes, after one of them changed, and ends the uses of those it held. */
  protected hold(node: Node, old: Attribute | undefined, attr?: Attribute): void {
    const gone = old === undefined ? [] : graphsOf(old);
    const held = attr === undefined ? [] : graphsOf(attr);
    if (gone.length === 0 && held.length === 0) return;
    for (const graph of held) this.own(graph, node);
    open(node).subgraphs = [...node.attributes.values()].flatMap(graphsOf);
    for (const graph of gone) {
      if (graph.owner !== node || held.includes(graph)) continue;
      this.clear(graph);
      open(graph).owner = null;
    }
  }

  /** Makes a value one of a graph's own. */
  protected claim(graph: Graph, value: Value): void {
    if (value.graph === graph) return;
    if (value.producer !== null || value.graph !== null)
      throw new Error(`"${value.name ?? ""}" is defined elsewhere already`);
    this.changed();
    open(value).graph = graph;
  }

  protected output(node: Node, value: Value): Value {
    open(value).producer = node;
    return value;
  }

  protected graphOf(node: Node): Graph {
    if (node.graph === null) throw new Error(`${node.op} is in no graph`);
    return node.graph;
  }

  protected move(node: Node, to: Graph, after: Node | null): void {
    const from = this.graphOf(node);
    this.detach(node, from);
    this.place(to, node, after);
  }

  protected place(graph: Graph, node: Node, after: Node | null): Node {
    if (node.graph !== null) throw new Error(`${node.op} is in a graph already`);
    for (const walk of graph.walks) walk.entering(node, after);
    this.changed();
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

  protected detach(node: Node, graph: Graph): void {
    for (const walk of graph.walks) walk.leaving(node);
    this.changed();
    if (node.prev === null) open(graph).first = node.next;
    else open(node.prev).next = node.next;
    if (node.next === null) open(graph).last = node.prev;
    else open(node.next).prev = node.prev;
    open(node).prev = null;
    open(node).next = null;
    open(node).graph = null;
    open(graph).size--;
  }

  protected link(node: Node, index: number, value: Value | null): void {
    this.changed();
    const inputs = open(node).inputs;
    const nodeLinks = open(node).links;
    const [old, link] = [inputs[index], nodeLinks[index]];
    if (old !== undefined && old !== null && link !== undefined) open(old).uses.delete(link);
    while (inputs.length < index) inputs.push(null);
    inputs[index] = value;
    if (value === null) {
      nodeLinks[index] = undefined;
      return;
    }
    const use: Use = { kind: "input", node, index };
    nodeLinks[index] = use;
    open(value).uses.add(use);
  }

  protected unlink(node: Node): void {
    node.inputs.forEach((value, index) => {
      if (value !== null) this.link(node, index, null);
    });
  }

  /** Ends all uses that a graph and the graphs inside it make of values. */
  protected clear(graph: Graph): void {
    const graphs = [graph];
    for (const node of nodesDeep(graph)) {
      this.unlink(node);
      graphs.push(...node.subgraphs);
    }
    for (const one of graphs) {
      const graphLinks = one.links;
      one.outputs.forEach((value, index) => {
        const link = graphLinks[index];
        if (link !== undefined) open(value).uses.delete(link);
      });
    }
  }
}
