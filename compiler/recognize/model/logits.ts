import type { Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { choosesLogits } from "../../ops/logits.ts";
import { rankOf } from "../../ops/rank.ts";
import { opOf } from "../../ops/table.ts";
import type { DecoderView } from "../decoder.ts";
import type { Linear } from "../linear/linear.ts";
import { normsOf, type NormPlace } from "../norm/places.ts";
import { followRows, type PositionWise } from "../position-wise.ts";
import type { Shapes } from "../symbolic/shapes.ts";
import { headOf } from "./head.ts";

/** Values whose rows become logits, each by itself: where a graph can drop positions that nobody asks for. */
export interface LogitsCut extends PositionWise {
  /** `[batch, positions, …]`, or `[tokens, …]` where tokens are flat. */
  readonly values: readonly Value[];
  /** The nodes that read them on the way to the logits; others need all positions. */
  readonly readers: readonly Node[];
  readonly rank: number;
  /** Whether tokens of all sequences lie one after another. */
  readonly isFlat: boolean;
}

/**
 * Finds the earliest place behind all blocks where positions can be dropped: in front of the last norm, else of the
 * head.
 *
 * @returns why there is none, as a clause
 */
export function logitsCut(
  model: Model,
  view: DecoderView,
  shapes: Shapes,
): LogitsCut | { readonly why: string } {
  const given = model.graph.inputs.find(({ name }) => choosesLogits(name ?? ""));
  if (given !== undefined)
    return { why: `the graph has an input "${given.name ?? ""}", which chooses positions already` };
  const head = headOf(model, view);
  if (head === null) return { why: "the linear that makes logits is not found" };
  const rank = rankOf(head.input) ?? shapes.of(head.input)?.length ?? declaredRank(head.output);
  if (rank !== 2 && rank !== 3) return { why: `the rank of "${head.input.name ?? ""}" is not known` };
  const wanted = followRows([head.output], [...head.output.users], { rank, shapes });
  if ("why" in wanted) return wanted;
  const logits = new Set(head.output.isOutput ? [head.output, ...wanted.outputs] : wanted.outputs);
  if (logits.size === 0) return { why: "the head's result is no output of the graph" };
  let why = "";
  for (const { values, readers } of places(model, view, head)) {
    const found = followRows(values, readers, { rank, shapes });
    if (!("why" in found) && found.outputs.every((output) => logits.has(output))) {
      const single = values.find((value) => shapes.of(value)?.at(-2)?.constant === 1);
      if (single !== undefined) return { why: `"${single.name ?? ""}" has one position only` };
      return { ...found, values, readers, rank, isFlat: rank === 2 || isPaged(model) };
    }
    why = "why" in found ? found.why : "what the head reads is an output of the graph, too";
  }
  return { why };
}

interface Place {
  readonly values: readonly Value[];
  readonly readers: readonly Node[];
}

/** From the earliest place to the last: in front of the norm, of the head, of the product with a quantized weight. */
function* places(model: Model, { seen }: DecoderView, head: Linear): Iterable<Place> {
  const norm = normsOf(model, model.graph, seen).find(({ output }) => output === head.input);
  if (norm !== undefined) yield beforeNorm(norm);
  yield { values: [head.input], readers: [...head.input.users].filter((node) => leadsTo(node, head)) };
  const quantized = head.node.input(0);
  if (quantized !== null && quantized !== head.input) yield { values: [quantized], readers: [head.node] };
}

function beforeNorm({ norm, region }: NormPlace): Place {
  const adds = opOf(norm.node).norm?.adds === true;
  if (region === null) {
    const values = norm.node.inputs.slice(0, adds ? 2 : 1).filter((value) => value !== null);
    return { values, readers: [norm.node] };
  }
  const members = new Set(region.nodes);
  return { values: [region.input], readers: [...region.input.users].filter((node) => members.has(node)) };
}

/** Whether a reader of what the head reads is part of the head, as a quantizer in front of it is. */
function leadsTo(node: Node, { nodes, node: product }: Linear): boolean {
  if (nodes.includes(node)) return true;
  return node.outputs.some((value) =>
    [...value.users].some((reader) => reader === product || nodes.includes(reader)),
  );
}

/** Axes of what a value becomes as an output of the graph: none comes or goes on the way from the head. */
function declaredRank(value: Value): number | null {
  const seen = new Set<Value>();
  const pending = [value];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const rank = at.isOutput ? asTensor(at.type)?.shape?.length : undefined;
    if (rank !== undefined) return rank;
    seen.add(at);
    for (const { outputs } of at.users) pending.push(...outputs.filter((output) => !seen.has(output)));
  }
  return null;
}

function isPaged({ graph }: Model): boolean {
  return [...graph.nodes].some((node) => opOf(node).attention?.style === "vllm");
}
