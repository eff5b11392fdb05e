import { diagnostic, placeOf, type Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Graph } from "./graph.ts";
import type { Model } from "./model.ts";
import type { Node } from "./node.ts";
import { isLinked } from "./rewriter.ts";
import type { Use, Value } from "./value.ts";
import { holderOf } from "./walk.ts";

/**
 * Checks what every pass may rely on: values are defined before they are read, uses and producers agree with what
 * nodes and graphs hold, names are unique, calls fit their functions. Collects what it finds, at most 20.
 */
export function verifyModel(model: Model): Diagnostic[] {
  const verifier = new Verifier(model);
  verifier.graph(model.graph, new Set());
  for (const func of model.functions.values()) verifier.graph(func.body, new Set());
  return verifier.found;
}

const LIMIT = 20;

function isKnown(value: Value, use: Use): boolean {
  if (use.kind === "input") return isLinked(use.node, use.index, value);
  return [...value.uses].some((u) => u.kind === "output" && u.graph === use.graph && u.index === use.index);
}

class Verifier {
  readonly found: Diagnostic[] = [];
  readonly #model: Model;

  constructor(model: Model) {
    this.#model = model;
  }

  /** @param outer values of the graphs around, defined so far */
  graph(graph: Graph, outer: ReadonlySet<Value>): void {
    const defined = new Set<Value>(outer);
    for (const value of [...graph.inputs, ...graph.initializers]) {
      defined.add(value);
      if (value.graph !== graph) this.#invalid(value, "an input or initializer does not know its graph");
    }
    this.#names(graph);
    for (const node of graph.nodes) this.#node(node, graph, defined);
    graph.outputs.forEach((value, index) => {
      this.#read(value, { kind: "output", graph, index }, defined, value);
    });
  }

  #node(node: Node, graph: Graph, defined: Set<Value>): void {
    if (node.graph !== graph) this.#invalid(node, "a node does not know its graph");
    node.inputs.forEach((value, index) => {
      if (value !== null) this.#read(value, { kind: "input", node, index }, defined, node);
    });
    for (const inner of node.subgraphs) {
      if (holderOf(inner) !== node)
        this.#invalid(node, "an inner graph does not know the node that holds it");
      this.graph(inner, defined);
    }
    for (const value of node.outputs) {
      if (value.producer !== node) this.#invalid(node, "an output does not know its producer");
      defined.add(value);
    }
    const callee = this.#model.callee(node);
    if (callee === undefined) return;
    const [takes, gives] = [callee.body.inputs.length, callee.body.outputs.length];
    const [inputs, outputs] = [node.inputs.length, node.outputs.length];
    if ((inputs > takes || outputs > gives) && this.found.length < LIMIT) {
      const params = { name: callee.key, takes, gives, inputs, outputs };
      this.found.push(diagnostic("CALL_DOES_NOT_FIT", placeOf(node), params));
    }
  }

  #read(value: Value, use: Use, defined: ReadonlySet<Value>, at: Node | Value): void {
    if (this.found.length >= LIMIT) return;
    if (!isKnown(value, use)) this.#invalid(at, `a value does not know that it is used`);
    // Sparse initializers are defined by their graph's source message alone.
    const isSparse = value.producer === null && value.graph !== null && value.constant === undefined;
    if (defined.has(value) || (isSparse && !value.isInput)) return;
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
    for (const value of graph.outputs) if (!graph.inputs.includes(value)) see(value);
  }

  #invalid(at: Node | Value, what: string): void {
    if (this.found.length < LIMIT) this.found.push(diagnostic("IR_INVALID", placeOf(at), { what }));
  }
}
