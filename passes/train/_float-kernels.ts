import { after, before, Builder } from "../../compiler/ir/builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { FlatNode } from "../../compiler/ops/placement/flat.ts";
import { placementOf } from "../../compiler/ops/placement/placement.ts";

const HALF = "bfloat16";

/**
 * Lets what no provider has a kernel for in bfloat16 compute in float, between casts: comparisons, Pad, Einsum and others.
 * onnxruntime refuses a graph that holds such a node; for float16 it puts the casts around by itself.
 */
export function computeInFloat(model: Model, rw: Rewriter): void {
  if (!holdsHalf(model)) return;
  const unrun = new Map<Node, FlatNode>();
  for (const { node, provider, reason } of placementOf(model, "cuda")?.nodes ?? [])
    if (provider === null && reason === "types" && isHalf(node)) unrun.set(node.node, node);
  for (const flat of unrun.values()) castAround(flat, rw);
}

function holdsHalf({ graph }: Model): boolean {
  for (const { constant } of graph.initializers) if (constant?.dtype === HALF) return true;
  return false;
}

function isHalf({ inputs, outputs }: FlatNode): boolean {
  return [...inputs, ...outputs].some((value) => value?.type === HALF);
}

function castAround({ node, inputs, outputs }: FlatNode, rw: Rewriter): void {
  const front = new Builder(rw, before(node), { namesNodes: false });
  const wide = new Map(
    node.inputs.flatMap((value, i) =>
      value !== null && inputs[i]?.type === HALF ? [[i, value] as const] : [],
    ),
  );
  for (const [i, value] of wide) rw.setInput(node, i, front.cast(value, "float", "wide"));
  const behind = new Builder(rw, after(node), { namesNodes: false });
  node.outputs.forEach((value, i) => {
    if (outputs[i]?.type !== HALF) return;
    const narrow = behind.cast(value, HALF, "narrow");
    rw.setType(narrow, value.type);
    rw.setType(value, undefined);
    rw.replaceUses(value, narrow, (use) => use.kind !== "input" || use.node !== narrow.producer);
  });
}
