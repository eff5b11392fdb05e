import { internalError } from "../diagnostics/error.ts";
import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Scope, Step, Visitor } from "./pass.ts";

const opKey = /^(?:[\w.-]+::)?[A-Za-z_][\w.]*$/;

/** Refuses visitors that could never be called: a misspelt key is a bug that otherwise passes silently. */
export function checkVisitor(visitor: Visitor, pass: string): void {
  const bad = [
    ...Object.keys(visitor).filter((key) => !["graph", "node", "ops"].includes(key)),
    ...Object.keys(visitor.graph ?? {}).filter((key) => !["enter", "exit"].includes(key)),
    ...Object.keys(visitor.ops ?? {}).filter((key) => !opKey.test(key)),
  ];
  const [key] = bad;
  if (key !== undefined)
    throw internalError({ pass }, `its visitor has a key "${key}" that no walk ever meets`);
}

/**
 * Walks the graphs of a model that `scopes` names: each graph once, entered before its nodes; inner graphs are
 * walked at the node that holds them. Safe against edits at and behind the visited node.
 */
export function walkModel(model: Model, visitor: Visitor, scopes: readonly Scope[]): void {
  const walk = new Walk(visitor, scopes.includes("subgraphs"));
  if (scopes.includes("main")) walk.graph(model.graph);
  if (!scopes.includes("functions")) return;
  for (const func of [...model.functions.values()]) walk.graph(func.body);
}

class Walk {
  readonly #visitor: Visitor;
  readonly #inner: boolean;
  #stopped = false;

  constructor(visitor: Visitor, inner: boolean) {
    this.#visitor = visitor;
    this.#inner = inner;
  }

  graph(graph: Graph): void {
    if (this.#ended() || this.#step(this.#visitor.graph?.enter?.(graph)) === "skip") return;
    for (const node of graph.nodes) {
      if (this.#ended()) return;
      this.#node(node);
    }
    this.#step(this.#visitor.graph?.exit?.(graph));
  }

  #node(node: Node): void {
    if (this.#step(this.#visitor.node?.(node)) === "skip") return;
    const visit = this.#visitor.ops?.[node.op];
    if (visit !== undefined && this.#step(visit(node)) === "skip") return;
    if (!this.#inner) return;
    for (const graph of node.subgraphs) this.graph(graph);
  }

  /** Asked anew after each call of a visitor, which may have ended the walk. */
  #ended(): boolean {
    return this.#stopped;
  }

  #step(step: Step): Step {
    if (step === "stop") this.#stopped = true;
    return step;
  }
}
