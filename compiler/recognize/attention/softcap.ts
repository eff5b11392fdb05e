import type { Anchor } from "./anchor.ts";
import { scalarOf } from "../../ops/constant.ts";

/** Capped scores, `cap · tanh(scores / cap)`: Gemma's way to keep scores small. */
export interface Softcap {
  /** Null where it is not constant. */
  readonly bound: number | null;
}

/** The cap on the scores, in plain ops or by the attention op; null where they are not capped. */
export function recognizeSoftcap(anchor: Anchor): Softcap | null {
  if (anchor.kind === "op") {
    const bound = anchor.node.float("softcap") ?? 0;
    return bound === 0 ? null : { bound };
  }
  const tanh = anchor.between.find((node) => node.op === "Tanh");
  if (tanh === undefined) return null;
  const after = [...(tanh.output(0)?.users ?? [])].find((node) => node.op === "Mul");
  const factor = after?.inputs.find((value) => value !== tanh.output(0)) ?? null;
  return { bound: scalarOf(factor) };
}
