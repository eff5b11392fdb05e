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
export function walkNodes(graph: Graph): IterableIterator<Node, void, void> {
  return new NodeIterator(graph);
}

/** A walk as `for` loops want it. No generator: engines inline this one's steps, and loops over nodes are most loops. */
class NodeIterator implements IterableIterator<Node, void, void> {
  readonly #graph: Graph;
  #walk: NodeWalk | null = null;
  #isOver = false;

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Node, void> {
    if (this.#isOver) return { done: true, value: undefined };
    const node = (this.#walk ??= this.#begun()).next();
    return node === null ? this.return() : { done: false, value: node };
  }

  return(): IteratorResult<Node, void> {
    const { walks } = this.#graph;
    if (this.#walk !== null && !this.#isOver) walks.splice(walks.lastIndexOf(this.#walk), 1);
    this.#isOver = true;
    return { done: true, value: undefined };
  }

  /** A walk begins with its first step: one that is never begun costs the rewriter nothing. */
  #begun(): NodeWalk {
    const walk = new NodeWalk(this.#graph);
    this.#graph.walks.push(walk);
    return walk;
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
