import type { Anchor } from "./anchor.ts";
import { scalarOf } from "../../ops/constant.ts";

/**
 * The bound of capped scores, `cap · tanh(scores / cap)`: Gemma's way to keep scores small. Null when they are not
 * capped, NaN when they are by a bound that is not constant.
 */
export function recognizeSoftcap(anchor: Anchor): number | null {
  if (anchor.kind === "op") {
    const cap = anchor.node.float("softcap") ?? 0;
    return cap === 0 ? null : cap;
  }
  const tanh = anchor.between.find((node) => node.op === "Tanh");
  if (tanh === undefined) return null;
  const after = [...(tanh.output(0)?.users ?? [])].find((node) => node.op === "Mul");
  const factor = after?.inputs.find((value) => value !== tanh.output(0)) ?? null;
  return scalarOf(factor) ?? NaN;
}
