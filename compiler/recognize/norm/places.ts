import type { Graph } from "../../ir/graph.ts";
import type { Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Seen } from "../decoder.ts";
import { GraphIndex } from "../graph-index.ts";
import { isMiss } from "../miss.ts";
import { regionBetween, type Region } from "../region.ts";
import { recognizeNorm, type Norm } from "./norm.ts";

/** A norm in front of a block or of the head. */
export interface NormPlace {
  readonly norm: Norm;
  /** What it computes: the block's input. */
  readonly output: Value;
  /** `model.layers.0.input_layernorm`: the only one of the name in its graph. */
  readonly name: string;
  /** Its nodes where it is written out in plain ops, and they can be cut out; null for one that is an op. */
  readonly region: Region | null;
}

const usualNames: Readonly<Record<Seen["block"], string>> = {
  attention: "input_layernorm",
  mlp: "post_attention_layernorm",
};

/** The norms of a graph: in front of the blocks that were seen in it, then in front of other linears, such as the head. */
export function normsOf(model: Model, graph: Graph, seen: readonly Seen[]): readonly NormPlace[] {
  const index = new GraphIndex(model, graph);
  const found: NormPlace[] = [];
  const taken = new Set<Node>();
  const names = new Set<string>();
  const add = (output: Value, module: string, usual: string): void => {
    const norm = recognizeNorm(output);
    if (norm?.input?.producer?.graph !== graph) return;
    const region = norm.form === "op" ? null : regionBetween(norm.input, output, index);
    const nodes = region === null ? [norm.node] : isMiss(region) ? [] : region.nodes;
    // A second reader of one norm finds it taken; a region with a call or projection in it is more than a norm.
    if (nodes.length === 0 || nodes.some((node) => taken.has(node) || isMore(model, node, index))) return;
    for (const node of nodes) taken.add(node);
    const name = freeOf(`${module}.${ownName(nodes, graph) ?? usual}`, names);
    found.push({ norm, output, name, region: region === null || isMiss(region) ? null : region });
  };
  for (const { answer, block, layer } of seen) {
    if (isMiss(answer)) continue;
    if (answer.kind !== "site") add(answer.region.input, `model.layers.${layer}`, usualNames[block]);
    else add(answer.input, answer.name.slice(0, answer.name.lastIndexOf(".")), usualNames[block]);
  }
  for (const linear of index.linears) add(linear.input, "model", "norm");
  return found;
}

function isMore(model: Model, node: Node, index: GraphIndex): boolean {
  return model.callee(node) !== undefined || index.linearOf(node) !== null || node.subgraphs.length > 0;
}

/**
 * What the norm's weight says it is: `model.layers.0.pre_feedforward_layernorm.weight`. A weight that several nodes of
 * the graph read says nothing: exporters keep one of equal weights, as those of all norms are before training.
 */
function ownName(nodes: readonly Node[], graph: Graph): string | null {
  const weights = nodes.flatMap((node) => node.inputs).filter((value) => value !== null);
  const named = weights.map((weight) => {
    const [, found] = /(?:^|\.)layers\.\d+\.(\w*norm\w*)\.weight$/.exec(weight.name ?? "") ?? [];
    return found !== undefined && !isShared(weight, graph) ? found : null;
  });
  return named.find((name) => name !== null) ?? null;
}

/** Whether several nodes of a graph read a value. It looks no further than the second, since all norms may share one. */
function isShared(value: Value, graph: Graph): boolean {
  let first: Node | null = null;
  for (const use of value.uses) {
    if (use.kind !== "input" || use.node.graph !== graph || use.node === first) continue;
    if (first !== null) return true;
    first = use.node;
  }
  return false;
}

/** A name no other norm has: onnxruntime refuses two nodes of one name. */
function freeOf(name: string, taken: Set<string>): string {
  let free = name;
  for (let n = 1; taken.has(free); n++) free = `${name}_${n}`;
  taken.add(free);
  return free;
}
