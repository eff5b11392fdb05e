import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/node.ts";
import { readsOf } from "../ir/walk.ts";
import type { Seen } from "../recognize/decoder.ts";
import { isMiss } from "../recognize/miss.ts";
import { layerNameOf } from "../recognize/model/names.ts";
import { layerIn, type Box } from "./boxes.ts";

/** What a node of a graph is drawn in: a layer, forward or, in a training graph, backward; null for none. */
export interface Group {
  readonly layer: number;
  readonly isBackward: boolean;
}

/** Where a node stands on the way through the graph: in front of the layers, in one, behind them. */
type Stage = number;

/**
 * The layers that nodes of a graph belong to. Boxes and blocks that were missed know theirs, names of nodes and weights
 * tell others; what is left stands where the last of what it reads stands.
 */
export function groupsIn(
  graph: Graph,
  boxes: readonly Box[],
  seen: readonly Seen[],
  isTraining: boolean,
): ReadonlyMap<Node, Group> {
  const known = stagesOf(boxes, seen);
  if (known.size === 0) return new Map();
  const layers = Math.max(...known.values());
  const behind = layers + 1;
  const missed = leadingTo(seen, known);
  const ends = new Set(boxes.filter(isEnd).flatMap(({ nodes }) => nodes));
  const stages = new Map<Node, Stage>();
  const groups = new Map<Node, Group>();
  for (const node of graph.nodes) {
    const read = readsOf(node).map(({ producer }) => (producer === null ? 0 : (stages.get(producer) ?? 0)));
    const latest = read.reduce((most, stage) => Math.max(most, stage), 0);
    const end = ends.has(node) ? behind : null;
    const named = known.get(node) ?? end ?? stageOf(node) ?? (latest > 0 ? missed.get(node) : undefined);
    const isBack = isTraining && latest >= behind;
    const stage = isBack ? backward(node, latest, behind, layers) : Math.min(behind, named ?? latest);
    stages.set(node, stage);
    if (stage > 0 && stage < behind) groups.set(node, { layer: stage - 1, isBackward: false });
    if (stage > behind) groups.set(node, { layer: behind + layers - stage, isBackward: true });
  }
  return groups;
}

/** Layers count from 1 here: 0 is in front of all. */
function stagesOf(boxes: readonly Box[], seen: readonly Seen[]): Map<Node, Stage> {
  const stages = new Map<Node, Stage>();
  for (const { at, layer } of seen) stages.set(at, layer + 1);
  for (const { nodes, layer, kind } of boxes) {
    if (layer !== null && kind !== "function") for (const node of nodes) stages.set(node, layer + 1);
  }
  return stages;
}

/**
 * What leads to a block that was not understood, back to where the layer in front of it ends: its projections stand in
 * its layer. What depends on no block, such as a mask, is left out where there is a layer in front.
 */
function leadingTo(seen: readonly Seen[], known: ReadonlyMap<Node, Stage>): ReadonlyMap<Node, Stage> {
  const stages = new Map<Node, Stage>();
  for (const { at, layer, answer } of seen) {
    if (!isMiss(answer)) continue;
    const producers = (node: Node): readonly Node[] =>
      readsOf(node).flatMap(({ producer }) => (producer?.graph === at.graph ? [producer] : []));
    const pending = [...producers(at)];
    // The list grows while it is walked.
    for (const node of pending) {
      // The sum behind a block of the layer in front is that layer's.
      const isBefore = producers(node).some((one) => (known.get(one) ?? layer + 1) <= layer);
      if (isBefore || known.has(node) || stages.has(node)) continue;
      stages.set(node, layer + 1);
      pending.push(...producers(node));
    }
  }
  return stages;
}

/** The final norm and the head stand behind all layers. */
function isEnd({ layer, kind }: Box): boolean {
  return layer === null && (kind === "norm" || kind === "head");
}

function stageOf(node: Node): Stage | null {
  const given = node.inputs.filter((value) => value !== null).filter(({ producer }) => producer === null);
  // Exporters keep one of equal weights, whose name says the layer of one reader alone.
  const own = given.filter(
    ({ users }) => [...users].filter(({ graph }) => graph === node.graph).length === 1,
  );
  const name = layerNameOf([node], own);
  return name === null ? null : name.index + 1;
}

/** Gradients come in the layers' order turned round. */
function backward(node: Node, latest: Stage, behind: Stage, layers: number): Stage {
  const layer = layerIn(node.name ?? "") ?? layerIn(node.output(0)?.name ?? "");
  return layer === null ? latest : behind + layers - layer;
}
