import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import type { Anchor } from "./anchor.ts";
import { integersOf } from "../../ops/constant.ts";
import { valuesAbove } from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import type { Linear } from "../linear/linear.ts";

/** Head counts and width. Grouped-query attention has `kvHeads < heads`. */
export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Head counts from an attention op's attributes, else from widths of the projections and the width of one head. */
export function recognizeHeads(
  anchor: Anchor,
  projections: { readonly q: Linear; readonly k: Linear; readonly v: Linear; readonly o: Linear },
  index: GraphIndex,
): Heads | null {
  const { q, k, v, o } = projections;
  const packed = q === k && k === v;
  const declared = declaredHeads(anchor);
  if (declared !== null) {
    // The projection of queries may hold a gate, too: keys are as wide as one head needs them.
    const parts = packed ? declared.heads + 2 * declared.kvHeads : declared.kvHeads;
    return { ...declared, headDim: k.outFeatures / parts };
  }
  const found = headWidth(anchor, index);
  if (found === null) return null;
  // The context, which the output projection reads, is as wide as the queries; keys and values share the rest.
  const width = o.inFeatures;
  const kv = packed ? (q.outFeatures - width) / 2 : k.outFeatures;
  const of = (headDim: number): Heads | null =>
    whole({ heads: width / headDim, kvHeads: kv / headDim, headDim });
  // GPT-NeoX packs head by head: the Reshape that splits heads makes rows of a query, a key and a value.
  return of(found) ?? (packed ? of(found / 3) : null);
}

function whole(heads: Heads): Heads | null {
  const isWhole = [heads.heads, heads.kvHeads, heads.headDim].every((n) => Number.isInteger(n) && n > 0);
  return isWhole ? heads : null;
}

function declaredHeads({ op, node }: Anchor): { heads: number; kvHeads: number } | null {
  const names = op?.heads ?? null;
  const heads = names === null ? undefined : node.int(names.query);
  if (names === null || heads === undefined) return null;
  const kvHeads = names.keyValue.map((name) => node.int(name)).find((n) => n !== undefined);
  return { heads, kvHeads: kvHeads ?? heads };
}

/** The width of one head: the last dimension of an operand's type, of a past input, or of the Reshape that splits heads. */
function headWidth(anchor: Anchor, index: GraphIndex): number | null {
  for (const operand of [anchor.value, anchor.query]) {
    const width = lastDim(operand);
    if (width !== null) return width;
  }
  for (const { node } of valuesAbove([anchor.query, anchor.value], index)) {
    const split = node.op === "Reshape" ? reshapedWidth(node.input(1)) : null;
    if (split !== null) return split;
  }
  return null;
}

function lastDim(value: Value): number | null {
  const shape = asTensor(value.type)?.shape;
  const last = shape?.at(-1);
  return shape !== undefined && shape.length >= 3 && typeof last === "number" ? last : null;
}

/** The last dimension that a Reshape to `[B, S, H, d]` asks for, also when the shape is put together by a Concat. */
function reshapedWidth(shape: Value | null): number | null {
  const constant = integersOf(shape);
  if (constant !== null) return constant.length >= 4 ? positive(constant.at(-1)) : null;
  const concat = shape?.producer;
  if (concat?.op !== "Concat" || concat.inputs.length < 4) return null;
  return positive(integersOf(concat.inputs.at(-1) ?? null)?.at(-1));
}

function positive(n: number | undefined): number | null {
  return n !== undefined && n > 0 ? n : null;
}
