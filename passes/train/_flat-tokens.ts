import { attribute, type Attribute } from "../../compiler/ir/attribute.ts";
import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import {
  contribOperation,
  opaqueOperation,
  type PagedOperation,
} from "../lower/attention/_paged-operation.ts";
import type { Padding } from "./_padding.ts";
import { refused } from "./_refused.ts";

type Read = (node: Node, pass: string) => PagedOperation;

/** Ops of attention over a paged cache. */
const paged: ReadonlyMap<string, Read> = new Map<string, Read>([
  ["com.microsoft::PagedAttention", contribOperation],
  ["vllm::unified_attention", opaqueOperation],
]);

/**
 * Attention of flat tokens over a paged cache that is empty: rows of one length are a batch, and grouped-query attention
 * without a cache is what is left of it.
 *
 * Before: `out, keys, values = PagedAttention (q [T, H·d], k, v, …)`.
 * After: `out = Reshape (GroupQueryAttention (Reshape (q, [B, S, H·d]), …), [T, H·d])`.
 *
 * @returns how many there were
 */
export function attendInRows(model: Model, padding: Padding, rw: Rewriter): number {
  let count = 0;
  for (const node of model.graph.nodes) {
    const read = paged.get(node.op);
    if (read === undefined || model.callee(node) !== undefined) continue;
    attend(model, node, read(node, rw.pass ?? ""), padding, rw);
    count++;
  }
  if (count > 0) rw.setOpset(model, "com.microsoft", 1);
  return count;
}

function attend(
  model: Model,
  node: Node,
  { operands, form }: PagedOperation,
  padding: Padding,
  rw: Rewriter,
): void {
  const b = new Builder(rw, before(node));
  const name = node.result.name ?? node.name ?? "attention";
  const inRows = [0, 1, 2].map((i) => {
    const value = operands[i] ?? null;
    const of = ["query", "key", "value"][i] ?? "";
    return value === null ? null : b.shaped(value, [padding.rows, padding.steps, -1], `${name}_${of}`);
  });
  const [last, total] = padding.lengths;
  const turns = form.rotary === null ? [] : [operands[8] ?? null, operands[9] ?? null];
  const inputs = [...inRows, null, null, last, total, ...turns];
  const names = [`${name}_rows`, `${name}_keys`, `${name}_values`];
  const { result } = b.node("com.microsoft::GroupQueryAttention", inputs, names, attributesOf(form));
  const flat = b.shaped(result, [-1, b.dim(result, 2, `${name}_width`)], `${name}_flat`);
  const read = node.outputs.slice(1).find(({ uses }) => uses.size > 0);
  if (read !== undefined) throw refused(model, `something reads the paged cache "${read.name ?? ""}"`);
  const reads = [...node.inputs];
  replaceBy(rw, node, [flat, null, null]);
  dropIfUnread(rw, reads);
}

/** A token sees its window's tokens before its own; the op counts its own among them. */
function attributesOf(form: PagedOperation["form"]): Readonly<Record<string, Attribute>> {
  return {
    num_heads: attribute.int(form.heads),
    kv_num_heads: attribute.int(form.kvHeads),
    ...(form.scale === null ? {} : { scale: attribute.float(form.scale) }),
    ...(form.softcap === null ? {} : { softcap: attribute.float(form.softcap) }),
    ...(form.window === null ? {} : { local_window_size: attribute.int(form.window + 1) }),
    ...(form.isCausal ? {} : { causal: attribute.int(0) }),
    ...(form.rotary === null ? {} : { do_rotary: attribute.int(1) }),
    ...(form.rotary === "pairs" ? { rotary_interleaved: attribute.int(1) } : {}),
  };
}
