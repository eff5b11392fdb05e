import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { AttentionOp } from "../../ops/op.ts";
import type { Anchor } from "./anchor.ts";
import { scalarOf } from "../../ops/constant.ts";

/** How positions are kept from being seen. */
export interface Mask {
  /** `add` or `where` on the scores; `causal`: by the op's definition; `operand`: given to the op; `none`. */
  readonly kind: "add" | "where" | "causal" | "operand" | "none";
  /** The value that says which positions are hidden. */
  readonly source: Value | null;
  /** Of `where`: whether positions are hidden where the condition is true, and not where it is false. */
  readonly hides: boolean;
  /** Whether the op hides later positions by its definition, whatever its operand says. */
  readonly causal: boolean;
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
      if (other !== null && scalarOf(other) === null) return { ...NONE, kind: "add", source: other };
    }
    // Where(IsNaN(p), 0, p) guards the probabilities and hides nothing.
    const condition = node.op === "Where" ? node.input(0) : null;
    if (condition !== null && condition.producer?.op !== "IsNaN")
      return { ...NONE, kind: "where", source: condition, hides: isScores(node.input(2)) };
  }
  return NONE;
}

const NONE: Mask = { kind: "none", source: null, hides: false, causal: false, window: null };

function opMask({ node, op }: Anchor): Mask {
  if (op === null) return NONE;
  const { operand, causal, lengths, window: attribute } = op.mask;
  const size = attribute === null ? -1 : (node.int(attribute) ?? -1);
  const window = size > 0 ? size : null;
  const source = operand === null ? null : node.input(operand);
  const isCausal = isCausalBy(causal, node);
  const plain = { ...NONE, causal: isCausal, window };
  if (source !== null) return { ...plain, kind: "operand", source };
  // Both may be given lengths, which hide the padding behind a row.
  const padding = lengths === null ? null : node.input(lengths);
  if (isCausal) return { ...plain, kind: "causal", source: padding };
  return padding === null ? plain : { ...plain, kind: "operand", source: padding };
}

function isCausalBy(causal: AttentionOp["mask"]["causal"], node: Node): boolean {
  if (causal === null || causal === true) return causal === true;
  if (typeof causal === "string") return (node.int(causal) ?? 0) !== 0;
  return (node.int(causal.unless) ?? 1) !== 0;
}
