import type { Node } from "../ir/node.ts";
import { asTensor } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { integersOf } from "../ops/constant.ts";
import { has, opOf } from "../ops/table.ts";
import { isLinearOp } from "./linear/linear.ts";
import type { Shapes } from "./symbolic/shapes.ts";

/** What is computed of values whose rows are positions: each row of that row alone, and nothing else. */
export interface PositionWise {
  readonly nodes: ReadonlySet<Node>;
  /** Outputs of the graph that are among the results. */
  readonly outputs: readonly Value[];
}

/** What a row's results are followed with. */
export interface Rows {
  /** Axes of the values that are followed. Positions lie along the last but one. */
  readonly rank: number;
  readonly shapes: Shapes;
}

/**
 * Follows all that nodes make of some values, to the end of the graph.
 *
 * @param readers the nodes that read them
 * @returns why it is not certain that each position is computed by itself, as a clause
 */
export function followRows(
  values: readonly Value[],
  readers: readonly Node[],
  rows: Rows,
): PositionWise | { readonly why: string } {
  const [inside, nodes] = [new Set(values), new Set<Node>()];
  const pending = [...readers];
  const outputs: Value[] = [];
  const graph = readers[0]?.graph ?? null;
  for (let node = pending.shift(); node !== undefined; node = pending.shift()) {
    if (nodes.has(node)) continue;
    if (node.graph !== graph) return { why: `${nameOf(node)} stands in a graph inside` };
    nodes.add(node);
    for (const output of node.outputs) {
      inside.add(output);
      pending.push(...output.users);
      if (output.isOutput) outputs.push(output);
    }
  }
  for (const node of nodes) {
    const why = mixing(node, inside, rows);
    if (why !== null) return { why: `${nameOf(node)} ${why}` };
  }
  return { nodes, outputs };
}

/** Why a node may make a position of others, as the end of a clause; null where it does not. */
function mixing(node: Node, inside: ReadonlySet<Value>, rows: Rows): string | null {
  const carried = node.inputs.flatMap((value, i) => (value !== null && inside.has(value) ? [i] : []));
  const { norm, activation } = opOf(node);
  const foreign = node.inputs.filter((value) => value !== null && !inside.has(value));
  if (norm !== null) {
    const axis = node.int("axis") ?? -1;
    const isLast = axis === -1 || axis === rows.rank - 1;
    return isLast && carried.every((i) => i === 0 || (norm.adds && i === 1))
      ? null
      : "is no norm of each position";
  }
  if (isProduct(node)) {
    const isFlat = node.op !== "Gemm" || (rows.rank === 2 && (node.int("transA") ?? 0) === 0);
    return isFlat && carried.length === 1 && carried[0] === 0 ? null : "multiplies positions with each other";
  }
  if (has(node, "reduce")) return isOverFeatures(node, rows) ? null : "takes positions together";
  if (ofLast.has(node.op)) {
    const axis = node.int("axis") ?? -1;
    return axis === -1 || axis === rows.rank - 1 ? null : "is not along the last axis";
  }
  if (!has(node, "elementwise") && activation === null && !plain.has(node.op)) return "may mix positions";
  const varying = foreign.find((value) => value !== null && !isSameForAll(value, rows));
  return varying ? `reads "${varying.name ?? ""}", which may differ from position to position` : null;
}

/** Ops that hand on each element by itself. */
const plain: ReadonlySet<string> = new Set([
  ...[
    "Cast",
    "CastLike",
    "Identity",
    "Dropout",
    "QuantizeLinear",
    "DequantizeLinear",
    "Clip",
    "Where",
    "IsNaN",
  ],
]);

const ofLast: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax"]);

const products: ReadonlySet<string> = new Set(["MatMul", "MatMulInteger", "QLinearMatMul"]);

function isProduct(node: Node): boolean {
  return isLinearOp(node) || products.has(node.op);
}

function isOverFeatures(node: Node, { rank }: Rows): boolean {
  const axes = node.ints("axes") ?? integersOf(node.input(1));
  return (
    (node.int("keepdims") ?? 1) === 1 &&
    axes !== null &&
    axes.length === 1 &&
    (axes[0] === -1 || axes[0] === rank - 1)
  );
}

/** Whether a value is one for all positions: it has no axis of them, or one of a single element. */
function isSameForAll(value: Value, { shapes }: Rows): boolean {
  const sizes = shapes.of(value);
  const declared = asTensor(value.type)?.shape;
  if (sizes !== null) return sizes.length < 2 || sizes.at(-2)?.constant === 1;
  if (declared !== undefined) return declared.length < 2 || declared.at(-2) === 1;
  return false;
}

function nameOf(node: Node): string {
  return `${node.op} "${node.name ?? node.output(0)?.name ?? ""}"`;
}
