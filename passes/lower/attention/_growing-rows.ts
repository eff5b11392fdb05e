import { attribute, type Attribute } from "../../../compiler/ir/attribute.ts";
import type { Builder } from "../../../compiler/ir/builder.ts";
import { dropIfUnread, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { ExactAttention } from "../../../compiler/recognize/attention/exact.ts";
import { grownCache, type GrownCache } from "../../../compiler/recognize/attention/grown.ts";
import type { HeadRows } from "../../../compiler/recognize/attention/rows.ts";
import type { Shapes } from "../../../compiler/recognize/symbolic/shapes.ts";
import { inRows, isInRows, type HeadSizes } from "./_in-rows.ts";

/** Attention whose operands and result lie side by side, head after head, as projections make and take them. */
export interface RowAttention {
  readonly query: HeadSizes;
  readonly keyValue: HeadSizes;
  readonly valueWidth: number;
  /** What the op joins with the past itself; null where there is none. */
  readonly caches: readonly [key: GrownCache, value: GrownCache] | null;
  /** What the result is joined to. */
  readonly below: Value;
}

/** How an attention is written so; null where something else reads heads by themselves, or that is not proved. */
export function rowAttention(exact: ExactAttention, rows: HeadRows, shapes: Shapes): RowAttention | null {
  const query = sizesOf(exact.query, shapes);
  const keyValue = sizesOf(exact.key, shapes);
  const value = sizesOf(exact.value, shapes);
  const below = rows.below(exact.context);
  if (query === null || keyValue === null || value === null || below === null) return null;
  const [key, values] = [grownCache(exact.key), grownCache(exact.value)];
  const isCached = !("why" in key) && !("why" in values);
  const caches = isCached ? ([key, values] as const) : null;
  const fresh = caches === null ? [exact.key, exact.value] : caches.map((cache) => cache.fresh);
  if (caches === null && [exact.key, exact.value].some((one) => one.isOutput)) return null;
  const isSideBySide = [exact.query, ...fresh].every((one) => isInRows(rows, one));
  return isSideBySide ? { query, keyValue, valueWidth: value.width, caches, below } : null;
}

function sizesOf(value: Value, shapes: Shapes): HeadSizes | null {
  const sizes = shapes.of(value);
  const [heads, width] = [sizes?.[1]?.constant ?? null, sizes?.[3]?.constant ?? null];
  return heads === null || width === null ? null : { heads, width };
}

/** Writes the op. */
export function writeRows(
  b: Builder,
  rows: HeadRows,
  { query, key, value, context }: ExactAttention,
  {
    form,
    mask,
    attributes,
  }: {
    readonly form: RowAttention;
    readonly mask: Value | null;
    readonly attributes: Readonly<Record<string, Attribute>>;
  },
): Value {
  const { caches, keyValue, valueWidth } = form;
  const [keys, values] = caches === null ? [key, value] : caches.map(({ fresh }) => fresh);
  const operands = [
    inRows(b, rows, query, form.query),
    inRows(b, rows, keys ?? key, keyValue),
    inRows(b, rows, values ?? value, { heads: keyValue.heads, width: valueWidth }),
    mask,
    ...(caches === null ? [] : caches.map(({ past }) => past)),
  ];
  const name = `${context.name ?? "attention"}_rows`;
  const presents = caches === null ? [] : caches.map(({ present }) => `${present.name ?? "present"}_joined`);
  const { outputs } = b.node("Attention", withoutTail(operands), [name, ...presents], {
    ...attributes,
    q_num_heads: attribute.int(form.query.heads),
    kv_num_heads: attribute.int(keyValue.heads),
  });
  const [result] = outputs;
  if (result === undefined) throw new Error("an op without a result");
  return result;
}

/** Gives back what the op has joined. Who else reads a cache's shape, as for a mask, reads what was there before. */
export function handOn(rw: Rewriter, form: RowAttention, made: Value): void {
  form.caches?.forEach(({ present, returned }, i) => {
    const joined = made.producer?.output(i + 1) ?? null;
    if (joined === null) return;
    const cast = returned === present ? null : returned.producer;
    takeOver(rw, present, joined, (use) => use.kind === "output" || use.node === cast);
    if (cast !== null && made.producer !== null) rw.moveAfter(cast, made.producer);
    dropIfUnread(rw, [present]);
  });
}

function withoutTail(operands: readonly (Value | null)[]): readonly (Value | null)[] {
  return operands.slice(0, operands.findLastIndex((value) => value !== null) + 1);
}
