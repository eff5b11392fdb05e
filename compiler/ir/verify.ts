import { diagnostic, placeOf, type Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Graph } from "./graph.ts";
import type { Model } from "./model.ts";
import type { Node } from "./node.ts";
import { isLinked } from "./edits.ts";
import type { Value } from "./value.ts";
import { holderOf } from "./walk.ts";

/**
 * Checks what every pass may rely on: values are defined before they are read, uses and producers agree with what
 * nodes and graphs hold, names are unique, calls fit their functions. Collects what it finds, at most 20.
 */
export function verifyModel(model: Model): Diagnostic[] {
  const verifier = new Verifier(model);
  verifier.graph(model.graph);
  for (const func of model.functions.values()) verifier.graph(func.body);
  return verifier.found;
}

const LIMIT = 20;

/** A graph whose nodes are being checked. */
interface Frame {
  readonly graph: Graph;
  readonly nodes: Iterator<Node>;
  /** Values of the graph that are defined so far. */
  readonly own: Value[];
  /** The node whose inner graphs are being checked, and those that are left. */
  node: Node | null;
  inner: Graph[];
}

class Verifier {
  readonly found: Diagnostic[] = [];
  readonly #model: Model;
  /** Values that can be read at this place: those of the graph defined so far, and those of the graphs around. */
  readonly #defined = new Set<Value>();

  constructor(model: Model) {
    this.#model = model;
  }

  /** Checks a graph and those inside it. An explicit stack: graphs may be nested deeper than the call stack is. */
  graph(root: Graph): void {
    const stack = [this.#enter(root)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const inner = top.inner.pop();
      if (inner !== undefined) {
        stack.push(this.#enter(inner));
        continue;
      }
      if (top.node !== null) this.#leaveNode(top.node, top);
      const step = top.nodes.next();
      if (step.done === true) {
        stack.pop();
        this.#leave(top);
      } else {
        this.#enterNode(step.value, top);
      }
    }
  }

  #enter(graph: Graph): Frame {
    const frame: Frame = {
      graph,
      nodes: graph.nodes[Symbol.iterator](),
      own: [],
      node: null,
      inner: [],
    };
    for (const value of [...graph.inputs, ...graph.initializers]) {
      this.#define(value, frame);
      if (value.graph !== graph) this.#invalid(value, "an input or initializer does not know its graph");
    }
    this.#names(graph);
    this.#order(graph);
    return frame;
  }

  #leave({ graph, own }: Frame): void {
    graph.outputs.forEach((value, index) => {
      this.#read(value, graph, index, value);
    });
    for (const value of own) this.#defined.delete(value);
  }

  #define(value: Value, { own }: Frame): void {
    if (this.#defined.has(value)) return;
    this.#defined.add(value);
    own.push(value);
  }

  #enterNode(node: Node, frame: Frame): void {
    if (node.graph !== frame.graph) this.#invalid(node, "a node does not know its graph");
    for (let index = 0; index < node.inputs.length; index++) {
      const value = node.input(index);
      if (value !== null) this.#read(value, node, index, node);
    }
    frame.node = node;
    if (node.subgraphs.length === 0) return;
    frame.inner = node.subgraphs.toReversed();
    for (const inner of frame.inner)
      if (holderOf(inner) !== node)
        this.#invalid(node, "an inner graph does not know the node that holds it");
  }

  #leaveNode(node: Node, frame: Frame): void {
    frame.node = null;
    for (const value of node.outputs) {
      if (value.producer !== node) this.#invalid(node, "an output does not know its producer");
      this.#define(value, frame);
    }
    this.#call(node);
  }

  #call(node: Node): void {
    const callee = this.#model.callee(node);
    if (callee === undefined || this.found.length >= LIMIT) return;
    const [takes, gives] = [callee.body.inputs.length, callee.body.outputs.length];
    const [inputs, outputs] = [node.inputs.length, node.outputs.length];
    if (inputs <= takes && outputs <= gives) return;
    const params = { name: callee.key, takes, gives, inputs, outputs };
    this.found.push(diagnostic("CALL_DOES_NOT_FIT", placeOf(node), params));
  }

  #read(value: Value, reader: Node | Graph, index: number, at: Node | Value): void {
    if (this.found.length >= LIMIT) return;
    if (!isLinked(reader, index, value)) this.#invalid(at, `a value does not know that it is used`);
    // Sparse initializers are defined by their graph's source message alone.
    const isSparse = value.producer === null && value.graph !== null && value.constant === undefined;
    if (this.#defined.has(value) || (isSparse && !value.isInput)) return;
    const name = value.name ?? "";
    const code = value.scope === null ? "NAME_DANGLING" : "NODE_ORDER";
    this.found.push(diagnostic(code, placeOf(at), { name }));
  }

  #names(graph: Graph): void {
    const first = new Map<string, Value>();
    const see = (value: Value): void => {
      if (value.name === undefined) return;
      const known = first.get(value.name);
      if (known !== undefined && known !== value && this.found.length < LIMIT) {
        const params = { name: value.name, first: known.loc.path };
        this.found.push(diagnostic("NAME_DUPLICATE", placeOf(value), params));
      }
      first.set(value.name, value);
    };
    // Only interface names must be unique: others are hints, made unique on emit.
    graph.inputs.forEach(see);
    for (const value of graph.outputs) if (!value.isInput || value.graph !== graph) see(value);
  }

  /** Whether the nodes are linked both ways, and as many as the graph says. */
  #order(graph: Graph): void {
    let [last, size]: [Node | null, number] = [null, 0];
    for (let node = graph.first; node !== null; [last, node, size] = [node, node.next, size + 1]) {
      if (node.prev !== last) this.#invalid(node, "a node does not know the one before it");
    }
    if (last !== graph.last || size !== graph.size)
      this.#invalid(last ?? this.#model.graph, "a graph does not know its nodes");
  }

  #invalid(at: Node | Value | Graph, what: string): void {
    if (this.found.length < LIMIT) this.found.push(diagnostic("IR_INVALID", placeOf(at), { what }));
  }
}
