import type { Graph } from "../ir/graph.ts";
import type { Value } from "../ir/value.ts";

/**
 * The names values are written with. A value keeps its name unless an earlier one of its scope, or its graph's
 * interface, has it; then `_1`, `_2`, … is added. Values without a name are `v0`, `v1`, … The same graph always
 * gets the same names, and a graph that was read with these names keeps them.
 */
export class Names {
  readonly #names = new Map<Value, string>();
  /** Every name that occurs: made-up names avoid them all. */
  readonly #taken = new Set<string>();
  /** The names that can be read at the point where the walk stands. */
  readonly #visible = new Set<string>();
  #unnamed = 0;

  /** @param graph - the outermost graph of what is named; without it each value is named when it is first met */
  constructor(graph?: Graph) {
    if (graph === undefined) return;
    this.#take(graph);
    this.#nameGraph(graph);
  }

  /** The value's name. A value that nothing defines gets one too, so that broken graphs can be looked at. */
  of(value: Value): string {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const hint = value.name ?? "";
    const name = hint === "" || this.#taken.has(hint) ? this.#fresh(hint) : hint;
    this.#taken.add(name);
    this.#names.set(value, name);
    return name;
  }

  #take(graph: Graph): void {
    for (const value of [...graph.inputs, ...graph.initializers]) this.#taken.add(value.name ?? "");
    for (const node of graph.nodes) {
      for (const value of node.outputs) this.#taken.add(value.name ?? "");
      for (const inner of node.subgraphs) this.#take(inner);
    }
  }

  #nameGraph(graph: Graph): void {
    const mine: string[] = [];
    const outputs = new Map<string, Value>();
    for (const value of graph.outputs) {
      if (value.name !== undefined && value.producer?.graph === graph) outputs.set(value.name, value);
    }
    const define = (value: Value): void => {
      if (this.#names.has(value)) return;
      const hint = value.name ?? "";
      const bearer = outputs.get(hint) ?? value;
      const name = hint === "" || bearer !== value || this.#visible.has(hint) ? this.#fresh(hint) : hint;
      this.#names.set(value, name);
      this.#visible.add(name);
      mine.push(name);
    };
    graph.inputs.forEach(define);
    graph.initializers.forEach(define);
    for (const node of graph.nodes) {
      for (const inner of node.subgraphs) this.#nameGraph(inner);
      for (const value of node.outputs) if (!isLeftOut(value)) define(value);
    }
    for (const name of mine) this.#visible.delete(name);
  }

  #fresh(hint: string): string {
    let name = "";
    let n = 0;
    do name = hint === "" ? `v${this.#unnamed++}` : `${hint}_${++n}`;
    while (this.#taken.has(name));
    this.#taken.add(name);
    return name;
  }
}

/** Whether a node output is one that the model leaves out. */
export function isLeftOut(value: Value): boolean {
  return (value.name ?? "") === "" && value.uses.size === 0;
}
