import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";

/**
 * The nodes of a graph in order, under any edits that are made on the way.
 *
 * A walk stands in a gap: behind the node it gave last, where that node stood when it was given.
 *
 * - Every node is given at most once.
 * - A node inserted behind the gap is given; one inserted in front of it is not.
 * - A node that is removed before the walk reaches it is not given.
 * - Moving a node neither hides it nor shows it twice: one that was given is not given again, and one that was not is
 *   given where it stands, or after all others where it was moved in front of the gap.
 * - Moving or removing the node given last leaves the gap where it is. What is then inserted in the gap is given, and
 *   so is what is inserted right behind the moved node.
 */
export function* walkNodes(graph: Graph): Generator<Node, void, void> {
  const walk = new NodeWalk(graph);
  graph.walks.push(walk);
  try {
    for (let node = walk.next(); node !== null; node = walk.next()) yield node;
  } finally {
    graph.walks.splice(graph.walks.lastIndexOf(walk), 1);
  }
}

/** A walk under way. The rewriter tells it of every node that leaves or enters the graph. */
export class NodeWalk {
  readonly #graph: Graph;
  /** The gap is behind this node; null for the beginning. */
  #behind: Node | null = null;
  #given: Node | null = null;
  /** What is known only once the graph is edited: most walks see no edit, and need none of it. */
  #record: Record | null = null;

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** The next node, or null at the end. */
  next(): Node | null {
    for (let node = this.#ahead(); node !== null; node = this.#ahead()) {
      this.#behind = node;
      this.#record?.front.add(node);
      if (this.#record?.met.has(node) === true) continue;
      return this.#give(node);
    }
    for (const node of this.#record?.later ?? []) {
      this.#record?.later.delete(node);
      if (node.graph === this.#graph && this.#record?.met.has(node) === false) return this.#give(node);
    }
    return null;
  }

  /** Called before a node is taken out, to be removed or to be placed elsewhere. */
  leaving(node: Node): void {
    const record = (this.#record ??= this.#recorded());
    record.front.delete(node);
    record.later.delete(node);
    if (!record.met.has(node)) record.later.add(node);
    if (this.#behind === node) this.#behind = node.prev;
  }

  /** Called before a node is placed behind another one, or at the beginning. */
  entering(node: Node, after: Node | null): void {
    const record = (this.#record ??= this.#recorded());
    const isAhead = after === this.#behind || (after !== null && !record.front.has(after));
    if (isAhead) return;
    record.front.add(node);
    const isNextToUnmet = after !== null && (after === this.#given || record.later.has(after));
    if (isNextToUnmet && !record.met.has(node)) record.later.add(node);
  }

  #ahead(): Node | null {
    return this.#behind === null ? this.#graph.first : this.#behind.next;
  }

  #give(node: Node): Node {
    this.#record?.met.add(node);
    this.#record?.later.delete(node);
    this.#given = node;
    return node;
  }

  /** As long as nothing was edited, what was given is what is in front of the gap. */
  #recorded(): Record {
    const front = new Set<Node>();
    for (let node = this.#behind; node !== null; node = node.prev) front.add(node);
    return { met: new Set(front), front, later: new Set() };
  }
}

interface Record {
  /** Nodes that were given. */
  readonly met: Set<Node>;
  /** Nodes in front of the gap. */
  readonly front: Set<Node>;
  /** Nodes to give after all others, unless the walk comes to them before. */
  readonly later: Set<Node>;
}
