import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Anchor } from "./anchor.ts";
import { has } from "../../ops/table.ts";
import type { Heads } from "./heads.ts";

/** How keys and values of fewer heads than queries are brought to as many. */
export interface RepeatKv {
  /**
   * `expand`: Unsqueeze, Expand, Reshape in plain ops; `tile`; `gather` by head number; `op`: inside the attention op;
   * `none`: every query head has keys of its own. An Expand that changes nothing is none.
   */
  readonly kind: "expand" | "tile" | "gather" | "op" | "none";
  /** Query heads for each head of keys and values. */
  readonly factor: number;
}

function kindOf(node: Node): RepeatKv["kind"] | null {
  if (!has(node, "repeat-heads")) return null;
  return node.op === "Tile" ? "tile" : node.op === "Gather" ? "gather" : "expand";
}

/** The repetition of keys on their way to the scores; null when there must be one and it is not found. */
export function recognizeRepeatKv(anchor: Anchor, heads: Heads | null): RepeatKv | null {
  if (heads === null) return null;
  const factor = heads.heads / heads.kvHeads;
  if (factor === 1) return { kind: "none", factor };
  if (anchor.kind === "op") return { kind: "op", factor };
  const kind = repeaterAbove(anchor.key) ?? repeaterAbove(anchor.value);
  return kind === null ? null : { kind, factor };
}

/** Walks back from an operand over views, transposes and scaling to what repeats heads. */
function repeaterAbove(operand: Value): RepeatKv["kind"] | null {
  let node = operand.producer;
  for (let steps = 0; node !== null && steps < 24; steps++) {
    const kind = kindOf(node);
    // A Concat joins the past unless it joins a value with itself.
    if (kind !== null && (node.op !== "Concat" || new Set(node.inputs).size === 1)) return kind;
    if (!has(node, "view") && node.op !== "Mul" && node.op !== "Div") return null;
    node = node.input(0)?.producer ?? null;
  }
  return null;
}
