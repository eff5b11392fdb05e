import { attribute } from "../../../compiler/ir/attribute.ts";
import type { Func } from "../../../compiler/ir/model.ts";
import { TFC_DOMAIN } from "../../../compiler/sites/site.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { FunctionBuilder } from "../../../compiler/ir/function-builder.ts";
import { PagedCache } from "./_paged-cache.ts";
import { rotated, turnAt } from "./_rotary.ts";

/** What a paged attention is like, apart from the values it works on. */
export interface PagedForm {
  readonly heads: number;
  readonly kvHeads: number;
  /** Null for 1/√(width of a head). */
  readonly scale: number | null;
  /** Tokens before its own that a token sees; null for all. */
  readonly window: number | null;
  /** Scores are kept within ±softcap; null when they are not. */
  readonly softcap: number | null;
  readonly isCausal: boolean;
  /** Whether queries, keys and values come in one operand. */
  readonly isPacked: boolean;
  /** Which channels of a head are turned together; null when none are. */
  readonly rotary: "halves" | "pairs" | null;
  readonly hasSlots: boolean;
}

/** The operands, in the order in which `com.microsoft::PagedAttention` has them. */
export const pagedOperands = [
  ...["query", "key", "value", "key_cache", "value_cache"],
  ...["cumulative_sequence_length", "past_seqlens", "block_table"],
  ...["cos_cache", "sin_cache", "slot_mapping"],
] as const;

/** Hides a score in any element type; finite, so that a row that sees nothing gives 0 and no NaN. */
const HIDDEN = -65504;

/**
 * Paged attention in standard ops, as a function that takes the operands of `com.microsoft::PagedAttention` in its
 * order and gives its three results.
 *
 * Tokens `[T, …]` of B sequences lie one after another. Keys and values are written into the caches first; then
 * each sequence's are gathered through its row of the block table, padded to the longest L; queries are padded to
 * the longest step S; what lies behind a sequence's end is hidden or cut off again.
 *
 * Shapes: H heads in groups of G share KV key-value heads of width d.
 */
export function pagedAttention(b: FunctionBuilder, name: string, form: PagedForm): Func {
  const inputs = new Map<string, Value>(pagedOperands.map((operand) => [operand, b.input(operand)]));
  const operand = (of: (typeof pagedOperands)[number]): Value => {
    const value = inputs.get(of);
    if (value === undefined) throw new Error(`no operand ${of}`);
    return value;
  };
  const cache = new PagedCache(b, {
    tokens: operand("query"),
    cache: operand("key_cache"),
    cumulative: operand("cumulative_sequence_length"),
    past: operand("past_seqlens"),
    table: operand("block_table"),
    slots: form.hasSlots ? operand("slot_mapping") : null,
  });
  const { query, key, value } = heads(b, cache, form, {
    query: operand("query"),
    key: operand("key"),
    value: operand("value"),
  });
  const turning =
    form.rotary === null
      ? null
      : turnAt(b, cache.position, {
          cos: operand("cos_cache"),
          sin: operand("sin_cache"),
          isInterleaved: form.rotary === "pairs",
        });
  const turn = (x: Value, hint: string): Value => (turning === null ? x : rotated(b, x, hint, turning));
  const keys = cache.written(operand("key_cache"), turn(key, "key"), "keys");
  const values = cache.written(operand("value_cache"), value, "values");
  const context = attend(b, cache, form, { query: turn(query, "query"), keys, values });
  return b.finish(TFC_DOMAIN, name, [
    cache.unpadded(context),
    cache.shaped(keys, operand("key_cache"), "key_cache_out"),
    cache.shaped(values, operand("value_cache"), "value_cache_out"),
  ]);
}

interface Operands {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

/** Queries `[T, H, d]`, keys and values `[T, KV, d]`. */
function heads(b: FunctionBuilder, cache: PagedCache, form: PagedForm, flat: Operands): Operands {
  const { heads: h, kvHeads: kv } = form;
  const perHead = (x: Value, count: number, name: string): Value =>
    b.shaped(x, [-1, count, cache.width], name);
  if (!form.isPacked) {
    return {
      query: perHead(flat.query, h, "query_heads"),
      key: perHead(flat.key, kv, "key_heads"),
      value: perHead(flat.value, kv, "value_heads"),
    };
  }
  const all = perHead(flat.query, h + 2 * kv, "packed_heads");
  return {
    query: b.slice(all, 0, h, 1, "query_heads"),
    key: b.slice(all, h, h + kv, 1, "key_heads"),
    value: b.slice(all, h + kv, h + 2 * kv, 1, "value_heads"),
  };
}

/** Softmax(q kᵀ · scale) v of every sequence, padded: `[B, S, H·d]`. */
function attend(
  b: FunctionBuilder,
  cache: PagedCache,
  form: PagedForm,
  { query, keys, values }: { readonly query: Value; readonly keys: Value; readonly values: Value },
): Value {
  const group = form.heads / form.kvHeads;
  const { width: d, longestStep: s, longest: l } = cache;
  const grouped = b.shaped(cache.padded(query), [0, 0, form.kvHeads, group, d], "grouped");
  const rows = b.transpose(grouped, [0, 2, 3, 1, 4], "rows"); // [B, KV, G, S, d]
  const q = b.shaped(rows, [0, 0, -1, d], "q"); // [B, KV, G·S, d]
  const k = b.transpose(cache.gathered(keys, "k_rows"), [0, 2, 3, 1], "k"); // [B, KV, d, L]
  const v = b.transpose(cache.valid(cache.gathered(values, "v_rows")), [0, 2, 1, 3], "v"); // [B, KV, L, d]

  const products = b.op("MatMul", [q, k], "products");
  const scores = capped(b, form, b.op("Mul", [products, scaleOf(b, form, cache, q)], "scores"));
  const apart = b.shaped(scores, [0, 0, group, s, l], "scores_apart");
  const low = b.op("CastLike", [b.constant("float", [], [HIDDEN], "low"), apart], "low_like");
  const masked = b.op("Where", [cache.visible(form.isCausal, form.window), apart, low], "masked");
  const weights = b.op("Softmax", [masked], "weights", { axis: attribute.int(-1) }); // [B, KV, G, S, L]

  const joined = b.shaped(weights, [0, 0, -1, l], "weights_joined");
  const context = b.op("MatMul", [joined, v], "context"); // [B, KV, G·S, d]
  const split = b.shaped(context, [0, 0, group, s, d], "context_groups");
  return b.reshape(b.transpose(split, [0, 3, 1, 2, 4], "context_rows"), [0, 0, -1], "padded_output");
}

/** The scale in the element type of the scores. */
function scaleOf(b: FunctionBuilder, { scale }: PagedForm, cache: PagedCache, like: Value): Value {
  const value =
    scale === null
      ? b.op("Reciprocal", [b.op("Sqrt", [b.cast(cache.width, "float", "width_float")], "root")], "scale")
      : b.constant("float", [], [scale], "scale");
  return b.op("CastLike", [value, like], "scale_like");
}

function capped(b: FunctionBuilder, { softcap }: PagedForm, scores: Value): Value {
  if (softcap === null) return scores;
  const cap = b.op("CastLike", [b.constant("float", [], [softcap], "cap"), scores], "cap_like");
  return b.op("Mul", [b.op("Tanh", [b.op("Div", [scores, cap], "by_cap")], "bent"), cap], "capped");
}
