import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { activationsOf } from "./activations.ts";
import { recognizeLinear, type Linear } from "./linear/linear.ts";
import { withLora } from "./linear/lora.ts";

/**
 * What the recognizers share about one graph: node positions and linears, computed once. It describes the graph as
 * it was; make a new one after an edit.
 */
export class GraphIndex {
  readonly model: Model;
  readonly graph: Graph;
  /** Nodes that no MLP's activation is found beyond: they compute without one, or belong to a mixture of experts. */
  readonly withoutActivation = new Set<Node>();
  readonly #positions = new Map<Node, number>();
  readonly #linears = new Map<Node, Linear>();
  readonly #members = new Map<Node, Linear>();
  #activations: ReadonlySet<Value> | null = null;

  constructor(model: Model, graph: Graph) {
    this.model = model;
    this.graph = graph;
    const byOutput = new Map<Value, Linear>();
    for (const node of graph.nodes) {
      this.#positions.set(node, this.#positions.size);
      const linear = recognizeLinear(node);
      if (linear === null) continue;
      this.#linears.set(node, linear);
      byOutput.set(linear.output, linear);
    }
    for (const [node, plain] of this.#linears) {
      const linear = withLora(plain, (output) => byOutput.get(output) ?? null);
      this.#linears.set(node, linear);
      for (const member of linear.nodes) this.#members.set(member, linear);
    }
    // A factor belongs to the linear that it is added to, wherever in the graph that stands.
    for (const linear of this.#linears.values()) {
      for (const { a, b } of linear.loras) for (const { node } of [a, b]) this.#linears.delete(node);
      if (linear.loras.length > 0) for (const member of linear.nodes) this.#members.set(member, linear);
    }
  }

  /** Place of a node in the graph's order; -1 for a node of another graph. */
  position(node: Node): number {
    return this.#positions.get(node) ?? -1;
  }

  /** The values that hold data of a run. */
  get activations(): ReadonlySet<Value> {
    return (this.#activations ??= activationsOf(this.graph));
  }

  /** The linears, in order. */
  get linears(): Iterable<Linear> {
    return this.#linears.values();
  }

  /** The linear that a node is part of: its core, or its bias addition. */
  linearOf(node: Node): Linear | null {
    return this.#members.get(node) ?? null;
  }
}
