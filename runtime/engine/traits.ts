import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { cacheWindowsIn } from "../../compiler/recognize/model/cache-windows.ts";
import { headSizesIn } from "../../compiler/recognize/model/head-sizes.ts";

/** What a graph's inputs do not tell, and its nodes do, of how rows may share a run. */
export interface Traits {
  /**
   * Whether attention takes each row's tokens to lie at the front of its cache, as many as a length says: then padding
   * belongs behind them. Otherwise a mask says which places count, and padding may lie in front.
   */
  readonly byLengths: boolean;
  /** Whether the numbers of one row depend on those of others, or those of a token on what is run with it. */
  readonly mixesRows: boolean;
  /** Inputs that nothing reads: a mask among them hides nothing. */
  readonly unread: ReadonlySet<string>;
  /** How wide caches are whose inputs leave it open, by symbol. */
  readonly widths: ReadonlyMap<string, number>;
  /** Caches that hold a window of what came before and no more: its positions, by input. */
  readonly windows: ReadonlyMap<string, number>;
}

/** Operand of GroupQueryAttention that holds a bias, such as a mask, to its scores. */
const ATTENTION_BIAS = 10;

/** Operand of ai.onnx's Attention that holds how many places of a cache count, by row. */
const VALID_LENGTHS = 6;

/** Ops that find one scale for all rows of a tensor. */
const quantizing = /^(com\.microsoft::)?DynamicQuantize/;

/** Ops that hand on what they are given, in another shape or type. */
const views: ReadonlySet<string> = new Set([
  "Cast",
  "Flatten",
  "Identity",
  "Reshape",
  "Squeeze",
  "Unsqueeze",
]);

/**
 * Reads the traits of a graph from its file; weights stay where they are.
 *
 * @param hasOpenWidth whether a cache does not say how wide it is
 */
export function traitsOf(file: string, hasOpenWidth: boolean): Traits {
  const { model } = openModel(file, new Sink());
  let [byLengths, mixesRows] = [false, false];
  for (const node of nodesOf(model)) {
    byLengths ||= countsLengths(node);
    mixesRows ||= quantizing.test(node.op) || takesLongest(node) || choosesTables(node);
  }
  const unread = model.graph.inputs.filter(({ uses }) => uses.size === 0).map(({ name }) => name ?? "");
  return {
    byLengths,
    mixesRows,
    unread: new Set(unread),
    widths: hasOpenWidth ? headSizesIn(model) : new Map(),
    windows: cacheWindowsIn(model),
  };
}

function* nodesOf(model: Model): Generator<Node, void, void> {
  yield* nodesDeep(model.graph);
  for (const { body } of model.functions.values()) yield* nodesDeep(body);
}

function countsLengths({ op, inputs }: Node): boolean {
  const has = (index: number): boolean => (inputs[index] ?? null) !== null;
  if (op === "com.microsoft::GroupQueryAttention") return !has(ATTENTION_BIAS);
  return op === "Attention" && has(VALID_LENGTHS);
}

/** The largest position of all rows, by which rotary embeddings of long contexts choose their factors. */
function takesLongest({ op, inputs }: Node): boolean {
  if (op !== "ReduceMax") return false;
  let value: Value | null | undefined = inputs[0];
  while (value?.producer != null && views.has(value.producer.op)) value = value.producer.inputs[0];
  return value?.isInput === true && /position/i.test(value.name ?? "");
}

/** One of two sets of tables, by the longest row, as onnxruntime-genai writes the same. */
function choosesTables(node: Node): boolean {
  const branches = node.op === "If" ? node.subgraphs : [];
  return (
    branches.length > 0 &&
    branches.every(({ nodes }) => [...nodes].every(({ op }) => op === "Constant" || op === "Identity"))
  );
}
