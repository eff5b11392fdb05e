import type { Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import { nodesDeep } from "../../ir/walk.ts";
import { ops } from "../../ops/table.ts";
import { TFC_DOMAIN } from "../../sites/site.ts";
import type { DecoderView, Seen } from "../decoder.ts";
import { isLinearOp } from "../linear/linear.ts";

const standard: ReadonlySet<string> = new Set(["", "ai.onnx", "ai.onnx.ml", TFC_DOMAIN]);

/** Whether nothing is known of a node's op: it is of no standard domain, and neither in the table nor a projection. */
export function isUnknown(node: Node): boolean {
  return !standard.has(node.domain) && !ops.has(node.op) && !isLinearOp(node);
}

/** The ops of a model's graphs of which nothing is known, each once, in order; calls of functions among them. */
export function unknownOps(model: Model): readonly string[] {
  return [...new Set([...nodesDeep(model.graph)].filter(isUnknown).map(({ op }) => op))];
}

/** Why no block of a kind was seen at all, as a clause. */
export function unseenReason(model: Model, view: DecoderView, block: Seen["block"]): string | null {
  if (view.seen.some((one) => one.block === block)) return null;
  const unknown = unknownOps(model);
  const which = unknown.length === 0 ? "" : `; not known to tfc: ${unknown.join(", ")}`;
  return block === "attention"
    ? `no Softmax over a product of two activations, and no attention op${which}`
    : `no projection reads what an activation makes of another${which}`;
}
