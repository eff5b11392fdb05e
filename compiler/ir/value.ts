import { NO_META, type Entity, type Loc } from "./entity.ts";
import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";
import type { Tensor } from "./tensor.ts";
import type { ValueType } from "./type.ts";

/** A place that reads a value. A graph output is a use, so replacing a value needs no special case. */
export type Use =
  | { readonly kind: "input"; readonly node: Node; readonly index: number }
  | { readonly kind: "output"; readonly graph: Graph; readonly index: number };

/**
 * A value: a node's output, a graph input, or an initializer. Identity is the object; the name is a hint, made
 * unique on emit. Only the rewriter writes the fields.
 */
export class Value implements Entity {
  readonly loc: Loc;
  readonly meta: ReadonlyMap<string, string> = NO_META;
  readonly source?: Uint8Array;
  readonly name: string | undefined;
  readonly type: ValueType | undefined;
  /** The node that makes it; null for inputs, initializers and detached values. */
  readonly producer: Node | null = null;
  /** The graph it is an input or initializer of; null for node outputs. */
  readonly graph: Graph | null = null;
  /** Whether it is an input of its graph (also when it has a default). */
  readonly isInput: boolean = false;
  readonly uses: ReadonlySet<Use> = new Set();
  /** Set on initializers. */
  readonly constant: Tensor | undefined;
  /** What an input that must be fed is first fed with: it is stored beside the model, and not in it. */
  readonly initial?: Tensor;

  constructor(loc: Loc, name?: string, type?: ValueType, constant?: Tensor) {
    this.loc = loc;
    this.name = name;
    this.type = type;
    this.constant = constant;
  }

  /** The graph whose scope it lives in. */
  get scope(): Graph | null {
    return this.producer === null ? this.graph : this.producer.graph;
  }

  /** Which output of its producer it is, or -1. */
  get index(): number {
    return this.producer?.outputs.indexOf(this) ?? -1;
  }

  /** The nodes that read it, each once, in no particular order. */
  get users(): ReadonlySet<Node> {
    const nodes = new Set<Node>();
    for (const use of this.uses) if (use.kind === "input") nodes.add(use.node);
    return nodes;
  }

  /** Whether some graph (any, also an inner one) has it as an output. */
  get isOutput(): boolean {
    for (const use of this.uses) if (use.kind === "output") return true;
    return false;
  }
}
