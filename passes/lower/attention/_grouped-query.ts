import { attribute, type Attribute } from "../../../compiler/ir/attribute.ts";
import { END, type Builder } from "../../../compiler/ir/builder.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import type { FunctionBuilder } from "../../../compiler/ir/function-builder.ts";
import type { Func } from "../../../compiler/ir/model.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { TFC_DOMAIN } from "../../../compiler/sites/site.ts";
import { branch } from "../_branches.ts";

/** The op, and the function that calls it. */
export const GROUP_QUERY_OP = "com.microsoft::GroupQueryAttention";
export const GROUP_QUERY_FUNCTION = "tfc::GroupQueryAttention";

/** What a grouped-query attention is like, apart from the values it works on. */
export interface GroupedQueryForm {
  readonly heads: number;
  readonly kvHeads: number;
  /** Of one head. */
  readonly width: number;
  readonly scale: number;
  readonly softcap: number | null;
  /** How many positions a query sees, its own included; null for all. */
  readonly window: number | null;
  /** Whether later positions are hidden by definition, whatever the mask says. */
  readonly isCausal: boolean;
  /** Whether the mask says more than that and the window. */
  readonly hasMask: boolean;
  readonly hasSinks: boolean;
  /** How queries and keys are turned by tables of all positions; null where they are turned outside, or not at all. */
  readonly rotary: InnerTurn | null;
  /** Whether keys and values stand behind the queries of each token, in one operand. */
  readonly isPacked: boolean;
  readonly dtype: DType;
}

/** A rotary embedding inside the op. */
export interface InnerTurn {
  /** How many of each head's first features are turned. */
  readonly width: number;
  readonly interleaved: boolean;
}

/** The operands, in the order in which `com.microsoft::GroupQueryAttention` has them. */
const opOperands = [
  ...["query", "key", "value", "past_key", "past_value", "seqlens_k", "total_sequence_length"],
  ...["cos_cache", "sin_cache", "position_ids", "attention_bias", "head_sink"],
] as const;

/**
 * Those of the function: behind the op's whether it takes these sizes, a truth value, and how many tokens came before,
 * int32 `[1]` as their number in all is. No layer computes what is the same for all, nor copies it from the CPU.
 */
export const groupedQueryOperands = [...opOperands, "fits", "past_tokens"] as const;

export type GroupedQueryOperand = (typeof groupedQueryOperands)[number];

type Operands = ReadonlyMap<string, Value>;

/** The op itself, for operands of these names. Without a mask it is given none, even if there is one. */
export function groupedQueryOp(
  b: Builder,
  form: GroupedQueryForm,
  operands: Operands,
  names: readonly string[],
): readonly Value[] {
  const given = form.hasMask
    ? operands
    : new Map([...operands].filter(([name]) => name !== "attention_bias"));
  const inputs = opOperands.map((name) => given.get(name) ?? null);
  const { outputs } = b.node(GROUP_QUERY_OP, withoutTail(inputs), names, attributesOf(form));
  return outputs;
}

/** @param inputs operands, of which the last may be left out */
export function withoutTail(inputs: readonly (Value | null)[]): readonly (Value | null)[] {
  return inputs.slice(0, inputs.findLastIndex((value) => value !== null) + 1);
}

function attributesOf(form: GroupedQueryForm): Readonly<Record<string, Attribute>> {
  return {
    num_heads: attribute.int(form.heads),
    kv_num_heads: attribute.int(form.kvHeads),
    scale: attribute.float(form.scale),
    ...(form.softcap === null ? {} : { softcap: attribute.float(form.softcap) }),
    ...(form.window === null ? {} : { local_window_size: attribute.int(form.window) }),
    ...(form.isCausal ? {} : { causal: attribute.int(0) }),
    ...(form.rotary === null ? {} : { do_rotary: attribute.int(1) }),
    ...(form.rotary?.interleaved === true ? { rotary_interleaved: attribute.int(1) } : {}),
  };
}

/**
 * `GroupQueryAttention` for all that callers may ask of it, as a function that takes the op's operands in its order,
 * with what is the same for all layers behind them, and gives its three results. The op refuses several rows of several
 * new tokens behind a past: those are turned by `RotaryEmbedding`, written into the cache by plain ops and attended to by
 * `Attention`.
 *
 * Shapes: H heads and KV key-value heads of width d, B rows of S new tokens, T tokens in all, L places in the cache.
 */
export function groupedQuery(b: FunctionBuilder, name: string, form: GroupedQueryForm): Func {
  const operands: Operands = new Map(groupedQueryOperands.map((operand) => [operand, b.input(operand)]));
  const used = new Map([...operands].filter(([operand]) => isUsed(operand, form)));
  const branches = {
    then_branch: attribute.graph(
      branch(b, "op", (inner) => groupedQueryOp(inner, form, used, ["attended", "keys", "values"])),
    ),
    else_branch: attribute.graph(branch(b, "parts", (inner) => inParts(inner, form, operands))),
  };
  const results = ["output", "present_key", "present_value"];
  const { outputs } = b.node("If", [valueOf(operands, "fits")], results, branches);
  const func = b.finish(TFC_DOMAIN, name, outputs);
  b.rewriter.setOpset(func, "com.microsoft", 1);
  return func;
}

/** Positions are for those that are not counted from the past, whose rotary embedding stays outside. */
function isUsed(operand: string, { hasSinks, rotary, isPacked }: GroupedQueryForm): boolean {
  if (operand === "head_sink") return hasSinks;
  if (operand === "key" || operand === "value") return !isPacked;
  if (operand === "cos_cache" || operand === "sin_cache") return rotary !== null;
  return operand !== "position_ids";
}

function inParts(b: Builder, form: GroupedQueryForm, operands: Operands): readonly Value[] {
  const { heads, width } = form;
  const [past, total] = [valueOf(operands, "past_tokens"), valueOf(operands, "total_sequence_length")];
  const [none, end, axis] = [0, END, 2].map((n, i) => b.constant("int32", [1], [n], `bound_${i}`));
  const cut = (x: Value, from: Value | undefined, to: Value | undefined, name: string): Value =>
    b.op("Slice", [x, from ?? null, to ?? null, axis ?? null], name);
  const rowsOf = (table: Value, name: string): Value =>
    b.op("Slice", [table, past, total, none ?? null], name);
  const fresh = freshHeads(b, form, operands, rowsOf);
  const written = (of: "key" | "value"): { readonly present: Value; readonly seen: Value } => {
    const cache = valueOf(operands, `past_${of}`); // [B, KV, L, d]
    const parts = [cut(cache, none, past, `${of}_past`), fresh[of]];
    const rest = cut(cache, total, end, `${of}_rest`);
    const present = b.concat([...parts, rest], 2, `${of}_present`); // [B, KV, L, d]
    return { present, seen: cut(present, none, total, `${of}_seen`) }; // [B, KV, T, d]
  };
  const [keys, values] = [written("key"), written("value")];
  const sunk = withSinks(b, form, operands, { keys: keys.seen, values: values.seen });
  const attributes = {
    scale: attribute.float(form.scale),
    ...(form.softcap === null ? {} : { softcap: attribute.float(form.softcap) }),
  };
  const context = b.op("Attention", [fresh.query, sunk.keys, sunk.values, sunk.mask], "context", attributes);
  const rows = b.transpose(context, [0, 2, 1, 3], "context_rows");
  return [b.reshape(rows, [0, 0, heads * width], "attended"), keys.present, values.present];
}

/**
 * Queries `[B, H, S, d]`, keys and values `[B, KV, S, d]` of the new tokens, turned.
 *
 * @param rows takes those of the new tokens of a table
 */
function freshHeads(
  b: Builder,
  { heads, kvHeads, width, rotary, isPacked }: GroupedQueryForm,
  operands: Operands,
  rows: (table: Value, name: string) => Value,
): Readonly<Record<"query" | "key" | "value", Value>> {
  const counts = { query: heads, key: kvHeads, value: kvHeads };
  const names = ["query", "key", "value"] as const;
  const packed = valueOf(operands, "query");
  const parts = isPacked
    ? b.split(
        packed,
        names.map((name) => counts[name] * width),
        names.map((name) => `${name}_part`),
      )
    : names.map((name) => valueOf(operands, name));
  const [query, key, value] = names.map((name, i) =>
    inHeads(b, parts[i] ?? packed, counts[name], width, name),
  );
  if (query === undefined || key === undefined || value === undefined) throw new Error("a Split of two");
  if (rotary === null) return { query, key, value };
  // The sizes of a value that is there are no arithmetic of the CPU's.
  const sizes = b.op(
    "Shape",
    [b.unsqueeze(valueOf(operands, "seqlens_k"), [1, 2], "rows_turned")],
    "angle_sizes",
  ); // B, 1, 1
  const [cos, sin] = (["cos", "sin"] as const).map((name) =>
    b.op("Expand", [rows(valueOf(operands, `${name}_cache`), name), sizes], `${name}_rows`),
  ); // [B, S, r / 2]
  const attributes = {
    ...(rotary.interleaved ? { interleaved: attribute.int(1) } : {}),
    ...(rotary.width < width ? { rotary_embedding_dim: attribute.int(rotary.width) } : {}),
  };
  const turned = (x: Value, name: string): Value =>
    b.op("RotaryEmbedding", [x, cos ?? null, sin ?? null], name, attributes);
  return { query: turned(query, "query_turned"), key: turned(key, "key_turned"), value };
}

/** A head's sink is the score of one more position: its key is zero, its value is zero, and the mask adds the sink. */
function withSinks(
  b: Builder,
  { heads, kvHeads, width, dtype, hasSinks }: GroupedQueryForm,
  operands: Operands,
  seen: { readonly keys: Value; readonly values: Value },
): { readonly keys: Value; readonly values: Value; readonly mask: Value } {
  const mask = valueOf(operands, "attention_bias"); // [B or 1, 1 or H, S, T]
  if (!hasSinks) return { ...seen, mask };
  const rows = b.dims(seen.keys, 0, 1, "rows");
  const zero = b.constant(dtype, [], [0], "zero");
  const none = b.op("Expand", [zero, b.vector([rows, kvHeads, 1, width], "none_sizes")], "none"); // [B, KV, 1, d]
  const sinks = b.reshape(valueOf(operands, "head_sink"), [1, heads, 1, 1], "sinks");
  const [first, steps] = [b.dims(mask, 0, 1, "mask_rows"), b.dims(mask, 2, 3, "mask_steps")];
  const column = b.op("Expand", [sinks, b.vector([first, heads, steps, 1], "column_sizes")], "column"); // [·, H, S, 1]
  const wide = b.op("Expand", [mask, b.constant("int64", [4], [1, heads, 1, 1], "mask_heads")], "mask_wide"); // [·, H, S, T]
  return {
    keys: b.concat([seen.keys, none], 2, "keys_sunk"),
    values: b.concat([seen.values, none], 2, "values_sunk"),
    mask: b.concat([wide, column], 3, "mask_sunk"),
  };
}

/** `[B, S, heads · width]` with heads in front: `[B, heads, S, width]`. */
function inHeads(b: Builder, x: Value, heads: number, width: number, name: string): Value {
  return b.transpose(b.reshape(x, [0, 0, heads, width], `${name}_split`), [0, 2, 1, 3], `${name}_heads`);
}

function valueOf(operands: Operands, name: GroupedQueryOperand): Value {
  const value = operands.get(name);
  if (value === undefined) throw new Error(`no operand ${name}`);
  return value;
}
