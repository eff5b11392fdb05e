import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { readsOf } from "../ir/walk.ts";
import type { GraphIndex } from "./graph-index.ts";
import { views } from "./flow.ts";
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
  const reaches = new Map<Node, boolean>();
  const members: Node[] = [];
  // Nodes in front of the input's producer cannot depend on it: the walk stays within the block.
  const visit = (value: Value): boolean => {
    if (value === input) return true;
    const node = value.producer;
    if (node?.graph !== index.graph || index.position(node) <= start) return false;
    const known = reaches.get(node);
    if (known !== undefined) return known;
    reaches.set(node, false);
    let found = false;
    for (const read of readsOf(node)) found = visit(read) || found;
    reaches.set(node, found);
    if (found) members.push(node);
    return found;
  };
  if (!visit(output)) {
    return miss("REGION_NOT_CLOSED", output, "a value computed from the block's input", "no path from it");
  }
  const all = withPrivateNodes(new Set(members), input, index);
  return { input, output, nodes: [...all].sort((a, b) => index.position(a) - index.position(b)) };
}

/** Ops whose result is what it is because of their inputs' layout alone; a private one moves with its reader. */
const movable: ReadonlySet<string> = new Set([
  ...views,
  "Gather",
  "Slice",
  "Split",
  "Concat",
  "Expand",
  "Shape",
]);

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
      if (isPrivate && (movable.has(node.op) || isConstant(node, constants))) {
        members.add(node);
        pending.push(node);
      }
    }
  }
  return members;
}

function isConstant(node: Node, known: Map<Node, boolean>): boolean {
  const found = known.get(node);
  if (found !== undefined) return found;
  known.set(node, false);
  const all = readsOf(node).every((value) =>
    value.producer === null ? value.constant !== undefined : isConstant(value.producer, known),
  );
  known.set(node, all);
  return all;
}
