import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { readsOf } from "../ir/walk.ts";
import type { GraphIndex } from "./graph-index.ts";
import { has } from "../ops/table.ts";
import { miss, type Miss } from "./miss.ts";

/**
 * The part of a graph between two cut values: all that `input` flows through on its way to `output`, and the nodes
 * that only it reads (a weight's Transpose, a Gather of its rotary table). It is convex: no path leaves it and
 * comes back, so it can become one node.
 */
export interface Region {
  readonly input: Value;
  readonly output: Value;
  /** In the graph's order. */
  readonly nodes: readonly Node[];
}

/** Cuts out the region between two values of one graph. */
export function regionBetween(input: Value, output: Value, index: GraphIndex): Region | Miss {
  const start = input.producer === null ? -1 : index.position(input.producer);
  // Nodes in front of the input's producer cannot depend on it: the walk stays within the block.
  const within: Node[] = [];
  const seen = new Set<Node>();
  const pending = [output];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at.producer;
    if (at === input || node?.graph !== index.graph || index.position(node) <= start || seen.has(node))
      continue;
    seen.add(node);
    within.push(node);
    pending.push(...readsOf(node));
  }
  // In the graph's order what a node reads was looked at before it.
  const members = new Set<Node>();
  for (const node of within.sort((a, b) => index.position(a) - index.position(b))) {
    const isReached = readsOf(node).some(
      (v) => v === input || (v.producer !== null && members.has(v.producer)),
    );
    if (isReached) members.add(node);
  }
  if (output !== input && (output.producer === null || !members.has(output.producer))) {
    return miss("REGION_NOT_CLOSED", output, "a value computed from the block's input", "no path from it");
  }
  const all = withPrivateNodes(members, input, index);
  return { input, output, nodes: [...all].sort((a, b) => index.position(a) - index.position(b)) };
}

/**
 * A result that is what it is because of its inputs' layout alone; a private one moves with its reader. The size of what
 * nothing inside reads, as of a mask that tells how many rows there are, is computed outside: it would come with it.
 */
function isMovable(node: Node, members: ReadonlySet<Node>): boolean {
  if (has(node, "shape")) return readsOf(node).every((value) => isReadIn(members, value));
  return has(node, "view") || has(node, "choose");
}

function isReadIn(members: ReadonlySet<Node>, value: Value): boolean {
  return [...value.users].some((node) => members.has(node));
}

/** Adds nodes outside whose every reader is inside, if they compute from constants or only rearrange. */
function withPrivateNodes(members: Set<Node>, input: Value, index: GraphIndex): Set<Node> {
  const constants = new Map<Node, boolean>();
  const pending = [...members];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const value of readsOf(at)) {
      const node = value.producer;
      if (value === input || node?.graph !== index.graph || members.has(node)) continue;
      const isPrivate = node.outputs.every((output) =>
        [...output.uses].every((use) => use.kind === "input" && members.has(use.node)),
      );
      if (isPrivate && (isMovable(node, members) || isConstant(node, constants))) {
        members.add(node);
        pending.push(node);
      }
    }
  }
  return members;
}

/** Whether a node computes from constants alone. Each node is looked at once, however often it is read. */
function isConstant(root: Node, known: Map<Node, boolean>): boolean {
  const pending = [root];
  for (let node = pending.at(-1); node !== undefined; node = pending.at(-1)) {
    const reads = known.has(node) ? [] : readsOf(node);
    const open = reads.flatMap(({ producer }) =>
      producer === null || known.has(producer) ? [] : [producer],
    );
    if (open.length > 0 && reads.every((v) => isConstantSoFar(v, known))) {
      pending.push(...open);
      continue;
    }
    if (!known.has(node)) known.set(node, open.length === 0 && reads.every((v) => isConstantSoFar(v, known)));
    pending.pop();
  }
  return known.get(root) ?? false;
}

/** False for what is known to depend on something else. */
function isConstantSoFar({ producer, constant }: Value, known: ReadonlyMap<Node, boolean>): boolean {
  return producer === null ? constant !== undefined : (known.get(producer) ?? true);
}
