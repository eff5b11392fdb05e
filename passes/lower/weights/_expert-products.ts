import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { constantOf } from "../../../compiler/ops/constant.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import { viewChain } from "../../../compiler/recognize/flow.ts";
import type { Shapes } from "../../../compiler/recognize/symbolic/shapes.ts";

/**
 * Whether experts are multiplied one by one in a graph for a provider, null for any. How many rows each has is counted
 * where a Split reads it, in the CPU's memory: elsewhere copies of their weights cost less than the wait.
 */
export function groupsExperts(provider: Provider | null): boolean {
  return provider === null || provider === "cpu";
}

/** On which side of a product the weights are: on the left `[experts, out, in]`, on the right `[experts, in, out]`. */
export type Side = "left" | "right";

/** A product of rows, each with the weights of an expert. */
export interface RowProduct {
  /** `[experts, out, in]` on the left, `[experts, in, out]` on the right. */
  readonly stack: Value;
  readonly experts: number;
  /** The expert of each row, `[N]` or `[N, 1]`. */
  readonly chosen: Value;
  readonly side: Side;
  /** `[N, in, 1]` where the weights are on the left, `[N, 1, in]` on the right. */
  readonly rows: Value;
}

/** What a product is, where each row has the weights of an expert; null for any other. */
export function rowProductOf(node: Node, shapes: Shapes): RowProduct | null {
  if (node.op !== "MatMul") return null;
  for (const side of ["left", "right"] as const) {
    const [taken, rows] = side === "left" ? [node.input(0), node.input(1)] : [node.input(1), node.input(0)];
    const weights = takenBy(taken?.producer ?? null, shapes);
    if (taken === null || rows === null || weights === null) continue;
    const [copies, sizes] = [shapes.of(taken), shapes.of(rows)];
    const single = sizes?.[side === "left" ? 2 : 1];
    const [many, own] = [copies?.[0], sizes?.[0]];
    if (sizes?.length !== 3 || single?.constant !== 1 || many === undefined || own === undefined) continue;
    // A row for all would be repeated.
    if (many.equals(own)) return { ...weights, side, rows };
  }
  return null;
}

/** The stack that a node takes a matrix of for each row, and the rows' experts. */
function takenBy(node: Node | null, shapes: Shapes): Pick<RowProduct, "stack" | "experts" | "chosen"> | null {
  const [stack, chosen] = [node?.input(0) ?? null, node?.input(1) ?? null];
  if (node === null || stack === null || chosen === null || !isChosen(chosen)) return null;
  const [sizes, places] = [shapes.of(stack), shapes.of(chosen)];
  const experts = sizes?.length === 3 ? (sizes[0]?.constant ?? null) : null;
  const isRow =
    node.op === "GatherND"
      ? (node.int("batch_dims") ?? 0) === 0 && places?.length === 2 && places[1]?.constant === 1
      : node.op === "Gather" && (node.int("axis") ?? 0) === 0 && places?.length === 1;
  return experts === null || experts < 2 || !isRow ? null : { stack, experts, chosen };
}

/** Whether numbers are those that a TopK chooses, which count from the front. */
function isChosen(places: Value): boolean {
  const source = viewChain(places).at(-1);
  return source?.producer?.op === "TopK" && source.index === 1;
}

/** A product of rows of every expert with a constant stack of their weights. */
export interface StackProduct {
  readonly stack: Value;
  readonly experts: number;
  /** `[experts, rows, in]` where the weights are on the right, `[experts, in, rows]` on the left. */
  readonly rows: Value;
  readonly side: Side;
}

/** What a product is, where the rows of all experts are multiplied at once; null for any other. */
export function stackProductOf(node: Node, shapes: Shapes): StackProduct | null {
  if (node.op !== "MatMul") return null;
  for (const side of ["right", "left"] as const) {
    const [stack, rows] = side === "right" ? [node.input(1), node.input(0)] : [node.input(0), node.input(1)];
    const experts = constantOf(stack)?.shape.length === 3 ? (constantOf(stack)?.shape[0] ?? 0) : 0;
    if (stack === null || rows === null || experts < 2 || constantOf(rows) !== null) continue;
    const sizes = shapes.of(rows);
    if (sizes?.length === 3 && sizes[0]?.constant === experts) return { stack, experts, rows, side };
  }
  return null;
}
