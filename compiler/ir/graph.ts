import type { Entity, Loc } from "./entity.ts";
import type { Func, Model } from "./model.ts";
import type { Node } from "./node.ts";
import { walkNodes, type NodeWalk } from "./node-walk.ts";
import type { Use, Value } from "./value.ts";

/** What a graph belongs to: the model, a function, or the node (If, Loop, …) that holds it. */
export type Owner = Model | Func | Node;

/** What a graph that was imported said of its values, as the bytes of ValueInfoProtos. */
export interface Declarations {
  /** Of each output, since an output may declare another type than its value has. */
  readonly outputs: readonly Uint8Array[];
  /** `value_info` in its order; null where the graph has no value of that name. */
  readonly values: readonly { readonly message: Uint8Array; readonly value: Value | null }[];
}

/** A graph. Only the rewriter writes the fields. Inner graphs read outer values by reference. */
export class Graph implements Entity {
  readonly loc: Loc;
  readonly meta: ReadonlyMap<string, string> = new Map();
  readonly source?: Uint8Array;
  /** What an imported graph said of its values. */
  readonly declared?: Declarations;
  readonly name: string;
  readonly owner: Owner | null = null;
  readonly inputs: readonly Value[] = [];
  readonly outputs: readonly Value[] = [];
  readonly initializers: ReadonlySet<Value> = new Set();
  readonly first: Node | null = null;
  readonly last: Node | null = null;
  readonly size: number = 0;
  /** The use behind each output. */
  readonly links: readonly (Use | undefined)[] = [];
  /** The walks under way, which the rewriter tells of its edits. */
  readonly walks: NodeWalk[] = [];

  constructor(loc: Loc, name: string) {
    this.loc = loc;
    this.name = name;
  }

  /** The nodes in order. Safe under every edit, by the rules of {@link walkNodes}. */
  get nodes(): Iterable<Node> {
    return { [Symbol.iterator]: () => walkNodes(this) };
  }
}
