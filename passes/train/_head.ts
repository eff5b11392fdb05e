import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, replaceByGraph } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { readsOf } from "../../compiler/ir/walk.ts";
import { rankOf } from "../../compiler/ops/rank.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import type { Linear } from "../../compiler/recognize/linear/linear.ts";
import { headOf } from "../../compiler/recognize/model/head.ts";
import { followRows } from "../../compiler/recognize/position-wise.ts";
import type { Shapes } from "../../compiler/recognize/symbolic/shapes.ts";
import { copyName } from "../_module.ts";

/** What makes logits of the last hidden state, row by row. */
export interface Head {
  /** What the nodes read: `[batch, positions, hidden]`, or `[tokens, hidden]`. */
  readonly hidden: Value;
  readonly rank: number;
  /** In order, with calls of functions written out. */
  readonly nodes: readonly Node[];
  readonly logits: Value;
  /** Logits of a token, where it is known. */
  readonly vocabulary: number | null;
}

/** @throws TfcError LOSS_REFUSED where logits are not made of each position by itself */
export function trainedHead(model: Model, view: DecoderView, shapes: Shapes, rw: Rewriter): Head {
  const refused = (why: string): Error =>
    inputError("LOSS_REFUSED", { file: model.loc.file, pass: "token-loss" }, { why });
  flatten(model.graph, rw);
  const [logits] = model.graph.outputs;
  const linear = headOf(model, view);
  if (logits === undefined || linear === null) throw refused("the linear that makes logits is not found");
  const { input: hidden } = linear;
  // LoRA beside the head is a call, of which the rows of the head are made as well.
  for (let calls = callsIn(model, hidden, logits); calls.length > 0; calls = callsIn(model, hidden, logits))
    for (const call of calls) writeOut(model, call, rw);
  const nodes = nodesBetween(hidden, logits);
  const rank = rankOf(hidden) ?? shapes.of(hidden)?.length ?? asTensor(logits.type)?.shape?.length;
  if (nodes.length === 0 || (rank !== 2 && rank !== 3))
    throw refused(`"${logits.name ?? "logits"}" is not made of "${hidden.name ?? ""}" alone`);
  const why = mixing(linear, nodes, rank, shapes);
  if (why !== null) throw refused(why);
  return { hidden, rank, nodes, logits, vocabulary: vocabularyOf(logits, linear) };
}

/**
 * Leaves logits `[tokens, vocabulary]` where a decoder of flat tokens lays them out in rows at its end: those are in the
 * same order, as labels lie too.
 */
function flatten(graph: Graph, rw: Rewriter): void {
  const [rows] = graph.outputs;
  const flat = rows?.producer?.op === "Reshape" ? rows.producer.input(0) : null;
  const [own, split] = [flat, rows].map((value) => asTensor(value?.type)?.shape);
  if (!flat || !rows || own?.length !== 2 || split?.length !== 3) return;
  if (typeof own[1] !== "number" || own[1] !== split[2]) return;
  rw.setOutput(graph, 0, flat);
  dropIfUnread(rw, [rows]);
}

function callsIn(model: Model, hidden: Value, logits: Value): readonly Node[] {
  return nodesBetween(hidden, logits).filter((node) => model.callee(node) !== undefined);
}

/** Nodes that a value goes through on its way to another one, in order. */
function nodesBetween(from: Value, to: Value): readonly Node[] {
  const behind = new Set<Node>();
  const pending = [...from.users];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (behind.has(node)) continue;
    behind.add(node);
    for (const output of node.outputs) pending.push(...output.users);
  }
  const between = new Set<Node>();
  const makers = [to.producer];
  for (let node = makers.pop(); node !== undefined; node = makers.pop()) {
    if (node === null || between.has(node) || !behind.has(node)) continue;
    between.add(node);
    makers.push(...readsOf(node).map(({ producer }) => producer));
  }
  const graph = to.producer?.graph ?? null;
  return graph === null ? [] : [...graph.nodes].filter((node) => between.has(node));
}

function writeOut(model: Model, call: Node, rw: Rewriter): void {
  const func = model.callee(call);
  if (func === undefined) return;
  const map = new Map(func.body.inputs.map((formal, i) => [formal, call.input(i)] as const));
  replaceByGraph(rw, call, func.body, map, {
    loc: call.loc,
    copied: (copy, node, index) => {
      rw.setName(copy, copyName(call.name, node.name, index, func.body.size));
      for (const [key, text] of node.meta) rw.setMeta(copy, key, text);
    },
  });
}

/** Why rows would not be the same alone as among others, as a clause; null where they are. */
function mixing({ input }: Linear, nodes: readonly Node[], rank: number, shapes: Shapes): string | null {
  const readers = nodes.filter(({ inputs }) => inputs.includes(input));
  const found = followRows([input], readers, { rank, shapes });
  return "why" in found ? found.why : null;
}

function vocabularyOf(logits: Value, { outFeatures }: Linear): number | null {
  const size = asTensor(logits.type)?.shape?.at(-1);
  return typeof size === "number" ? size : outFeatures;
}
