import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { enter, exit, strangeKeys, type Step, type Visitor } from "./visitor.ts";
import type { Walker } from "./walker.ts";

interface NodeEvents {
  /** Each graph once, entered before its nodes. */
  readonly graph: readonly [graph: Graph];
  /** Every node, before the handler of its op; left after the graphs inside it. */
  readonly node: readonly [node: Node];
}

/** What a pass does at graphs and nodes. */
export type NodeVisitor = Visitor<NodeEvents> & {
  /** By op: `MatMul`, `com.microsoft::Gelu`. */
  readonly ops?: Readonly<Record<string, (node: Node) => Step>>;
};

/** Which graphs are walked. */
export type Scope = "main" | "subgraphs" | "functions";

const opKey = /^(?:[\w.-]+::)?[A-Za-z_][\w.]*$/;

/**
 * A walk of the nodes of a model's graphs, the main one or the functions' bodies, and those inside them if asked for at
 * the node that holds them. Handlers may edit at once: what is met then is what {@link walkNodes} says.
 */
export function nodesIn(...scopes: readonly Scope[]): Walker<NodeVisitor> {
  return {
    strangeKeys: ({ ops = {}, ...visitor }) => [
      ...strangeKeys(visitor, ["graph", "node"]),
      ...Object.keys(ops).filter((key) => !opKey.test(key)),
    ],
    walk: (model, visitor) => {
      new NodeWalker(visitor, scopes).walk(model);
    },
  };
}

/** A graph that is being walked. */
interface Frame {
  readonly graph: Graph;
  readonly nodes: Iterator<Node, unknown>;
  /** The node that was entered, and the graphs inside it that are left. */
  node: Node | null;
  inner: Graph[];
}

class NodeWalker {
  readonly #visitor: NodeVisitor;
  /** A Map: an op of a model may be called `constructor`. */
  readonly #ops: ReadonlyMap<string, (node: Node) => Step>;
  readonly #scopes: ReadonlySet<Scope>;
  #isStopped = false;

  constructor(visitor: NodeVisitor, scopes: readonly Scope[]) {
    this.#visitor = visitor;
    this.#ops = new Map(Object.entries(visitor.ops ?? {}));
    this.#scopes = new Set(scopes);
  }

  walk(model: Model): void {
    if (this.#step(enter(this.#visitor.model, [model])) === "skip") return;
    if (this.#scopes.has("main")) this.#graph(model.graph);
    if (this.#scopes.has("functions"))
      for (const func of [...model.functions.values()]) this.#graph(func.body);
    if (!this.#ended()) exit(this.#visitor.model, [model]);
  }

  /** An explicit stack: graphs may be nested deeper than the call stack is. */
  #graph(root: Graph): void {
    const stack: Frame[] = [];
    const open = (graph: Graph): void => {
      if (this.#ended() || this.#step(enter(this.#visitor.graph, [graph])) === "skip") return;
      stack.push({ graph, nodes: graph.nodes[Symbol.iterator](), node: null, inner: [] });
    };
    try {
      open(root);
      for (let top = stack.at(-1); top !== undefined && !this.#ended(); top = stack.at(-1)) {
        const inner = top.inner.pop();
        if (inner !== undefined) {
          open(inner);
          continue;
        }
        this.#leave(top);
        if (this.#ended() || this.#next(top)) continue;
        stack.pop();
        this.#step(exit(this.#visitor.graph, [top.graph]));
      }
    } finally {
      for (const { nodes } of stack) nodes.return?.();
    }
  }

  /** Enters the next node of a graph. @returns false at the end */
  #next(frame: Frame): boolean {
    const step = frame.nodes.next();
    if (step.done === true) return false;
    const node = step.value;
    if (this.#step(enter(this.#visitor.node, [node])) === "skip" || this.#ended()) return true;
    const visit = this.#ops.get(node.op);
    if (visit !== undefined && this.#step(visit(node)) === "skip") return true;
    frame.node = node;
    if (this.#scopes.has("subgraphs") && node.graph !== null) frame.inner = node.subgraphs.toReversed();
    return true;
  }

  #leave(frame: Frame): void {
    if (frame.node !== null) this.#step(exit(this.#visitor.node, [frame.node]));
    frame.node = null;
  }

  /** Asked anew after each call of a visitor, which may have ended the walk. */
  #ended(): boolean {
    return this.#isStopped;
  }

  #step(step: Step): Step {
    if (step === "stop") this.#isStopped = true;
    return step;
  }
}
