import type { Value } from "../../ir/value.ts";
import type { Anchor } from "./anchor.ts";
import { scalarOf } from "../../ops/constant.ts";

/** How positions are kept from being seen. */
export interface Mask {
  /** `add` or `where` on the scores; `causal`: by the op's definition; `operand`: given to the op; `none`. */
  readonly kind: "add" | "where" | "causal" | "operand" | "none";
  /** The value that says which positions are hidden. */
  readonly source: Value | null;
  /**
   * How many positions back are seen, where an attention op says so; null for all, and for masks in plain ops, whose
   * source may hold a window that only its values would show.
   */
  readonly window: number | null;
}

/** The mask between scores and Softmax, or that of the attention op. */
export function recognizeMask(anchor: Anchor): Mask {
  if (anchor.kind === "op") return opMask(anchor);
  const inside = new Set<Value>(anchor.between.flatMap((node) => node.outputs));
  for (const node of anchor.between) {
    const isScores = (v: Value | null): boolean => v !== null && inside.has(v);
    if (node.op === "Add" || node.op === "Sub") {
      const other = isScores(node.input(0)) ? node.input(1) : node.input(0);
      if (other !== null && scalarOf(other) === null) return { kind: "add", source: other, window: null };
    }
    // Where(IsNaN(p), 0, p) guards the probabilities and hides nothing.
    const condition = node.op === "Where" ? node.input(0) : null;
    if (condition !== null && condition.producer?.op !== "IsNaN")
      return { kind: "where", source: condition, window: null };
  }
  return { kind: "none", source: null, window: null };
}

function opMask(anchor: Anchor): Mask {
  const { node } = anchor;
  const size = node.int("local_window_size") ?? -1;
  const window = size > 0 ? size : null;
  const byOp: Readonly<Record<string, number>> = { Attention: 3, "com.microsoft::MultiHeadAttention": 4 };
  const operand = node.input(byOp[node.op] ?? -1);
  if (operand !== null) return { kind: "operand", source: operand, window };
  const isCausal = (node.int("is_causal") ?? node.int("unidirectional") ?? 0) !== 0;
  // These are causal by definition; lengths come as operands.
  const lengths = node.op.endsWith("GroupQueryAttention") ? node.input(5) : null;
  const causalOps = [
    "com.microsoft::GroupQueryAttention",
    "com.microsoft::PagedAttention",
    "vllm::unified_attention",
  ];
  if (isCausal || causalOps.includes(node.op)) return { kind: "causal", source: lengths, window };
  return { kind: "none", source: null, window };
}
