import { isFloat } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Mlp } from "../mlp/mlp.ts";
import type { Moe } from "./moe.ts";

/** What transformers calls the stacks of a mixture, below `mlp`. */
export const STACKS = { gateUp: "experts.gate_up_proj", down: "experts.down_proj" } as const;

/** The weights of all experts in one tensor, and the node that takes matrices of it. */
export interface ExpertStack {
  readonly reader: Node;
  readonly index: number;
  readonly root: Value;
  /** As transformers has them: `[experts, out, in]`. */
  readonly shape: readonly [experts: number, out: number, inner: number];
  /** Whether it is stored `[experts, in, out]`. */
  readonly isInFirst: boolean;
}

/** Where the weights of a mixture's experts are: a matrix for each, or two stacks. */
export type ExpertWeights =
  | { readonly are: "separate"; readonly mlps: readonly Mlp[] }
  | { readonly are: "stacked"; readonly gateUp: ExpertStack; readonly down: ExpertStack };

/**
 * The weights of a mixture's experts. Null where they are written in another way, or have biases in stacks: of these
 * families stacks are laid out otherwise.
 */
export function expertWeightsOf(moe: Moe): ExpertWeights | null {
  const { separate, experts } = moe;
  if (separate.length > 0) return separate.length === experts ? { are: "separate", mlps: separate } : null;
  const stacks = stacksIn(moe);
  const [gateUp, down, ...more] = stacks ?? [];
  if (gateUp === undefined || down === undefined || more.length > 0) return null;
  const [, width, size] = gateUp.shape;
  const [, out, inner] = down.shape;
  const isWhole = size === moe.hiddenSize && out === moe.hiddenSize && width === 2 * inner;
  return isWhole ? { are: "stacked", gateUp, down } : null;
}

/** Stacks in the order of their products; null where one is not understood, or other tensors have a row for each expert. */
function stacksIn({ region, experts, router }: Moe): readonly ExpertStack[] | null {
  const found: ExpertStack[] = [];
  const own = new Set(router.linear.nodes);
  for (const reader of region.nodes) {
    if (own.has(reader)) continue;
    for (const [index, root] of reader.inputs.entries()) {
      const tensor = root?.constant;
      if (root === null || tensor === undefined || !isFloat(tensor.dtype)) continue;
      if (tensor.shape.length < 2 || !tensor.shape.slice(0, 2).includes(experts)) continue;
      const isOfLinear = tensor.shape.length === 2 && ["MatMul", "Gemm", "Transpose"].includes(reader.op);
      if (isOfLinear) continue;
      const stack = stackAt(reader, index, root, experts);
      if (stack === null || found.some((one) => one.root === root)) return null;
      found.push(stack);
    }
  }
  return found;
}

function stackAt(reader: Node, index: number, root: Value, experts: number): ExpertStack | null {
  const [count, rows, columns, ...more] = root.constant?.shape ?? [];
  if (count !== experts || rows === undefined || columns === undefined || more.length > 0) return null;
  const isTaking =
    index === 0 &&
    (reader.op === "GatherND"
      ? (reader.int("batch_dims") ?? 0) === 0
      : ["Gather", "Split"].includes(reader.op) && (reader.int("axis") ?? 0) === 0);
  if (!isTaking) return null;
  const sides = new Set(reader.outputs.flatMap((output) => sidesOf(output, false)));
  const [side, ...others] = sides;
  if (side === undefined || side === null || others.length > 0) return null;
  const isInFirst = side === "in-first";
  return {
    reader,
    index,
    root,
    shape: isInFirst ? [count, columns, rows] : [count, rows, columns],
    isInFirst,
  };
}

type Side = "in-first" | "out-first" | null;

/** How products read matrices: `x W` has W `[in, out]`, `W x` has it `[out, in]`. Null for what is no product. */
function sidesOf(matrices: Value, isTurned: boolean): readonly Side[] {
  return [...matrices.uses].flatMap((use): readonly Side[] => {
    if (use.kind !== "input") return [null];
    const { node, index } = use;
    if (node.op === "MatMul") return [(index === 1) === isTurned ? "out-first" : "in-first"];
    if (node.op !== "Squeeze" && node.op !== "Transpose" && node.op !== "Identity") return [null];
    if (index > 0) return [null];
    const [a = 1, b = 0] = node.ints("perm")?.slice(-2) ?? [];
    const turns = node.op === "Transpose" && a > b;
    return node.outputs.flatMap((output) => sidesOf(output, turns ? !isTurned : isTurned));
  });
}
