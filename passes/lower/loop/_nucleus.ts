import { attribute } from "../../../compiler/ir/attribute.ts";
import { END, type Builder } from "../../../compiler/ir/builder.ts";
import type { Value } from "../../../compiler/ir/value.ts";

const alongTokens = { axis: attribute.int(1) };

/** A little less than 1: what lies this near a bound is looked at. */
const NEARLY = 1 - 2 ** -20;

/**
 * Weights of the likeliest tokens that together have a part p of all: of the tokens in ascending order, equal ones by id,
 * those whose probabilities add up to 1 - p at most become 0, as in transformers. Tokens with less than (1 - p) / V each
 * are less than that together: only others are sorted.
 *
 * @param weights double `[B, V]`
 * @param p float `[B, 1]`
 */
export function inTopP(b: Builder, weights: Value, p: Value): Value {
  const total = b.unsqueeze(b.sum(weights, [1], "sum"), [1], "total"); // [B, 1]
  const chances = rounded(b, b.op("Div", [weights, total], "shares_exact"), "shares"); // [B, V]
  const bound = b.op("Sub", [b.constant("float", [], [1], "one"), p], "left_out"); // [B, 1]
  const { values, ids } = sortedAbove(b, chances, bound);
  const all = b.unsqueeze(b.sum(chances, [1], "shares_sum"), [1], "shares_total");
  const above = b.op("CumSum", [values, b.int(1)], "above", { exclusive: attribute.int(1) });
  // Of this token and all that are less likely.
  const below = b.cast(b.op("Sub", [all, above], "below_exact"), "float", "below");
  const isFirst = b.op("Equal", [above, b.constant("double", [], [0], "nothing_above")], "is_first");
  const isKept = b.op("Or", [isFirst, b.op("Greater", [below, bound], "is_above")], "is_kept");
  const own = b.op("GatherElements", [weights, ids], "own", alongTokens);
  const kept = b.op("Where", [isKept, own, b.constant("double", [], [0], "zero")], "kept");
  const nothing = b.op("Sub", [weights, weights], "nothing");
  const nucleus = b.op("ScatterElements", [nothing, ids, kept], "in_nucleus", alongTokens);
  const isWhole = b.op("LessOrEqual", [bound, b.constant("float", [], [0], "none")], "is_whole");
  return b.op("Where", [isWhole, weights, nucleus], "nucleus");
}

/** The likeliest first, of equal ones the higher id; all that may be kept are there. */
function sortedAbove(
  b: Builder,
  chances: Value,
  bound: Value,
): { readonly values: Value; readonly ids: Value } {
  const size = b.dim(chances, 1, "vocabulary"); // [1]
  const near = b.op(
    "Mul",
    [b.cast(bound, "double", "bound"), b.constant("double", [], [NEARLY], "nearly")],
    "near",
  );
  const least = b.op("Div", [near, b.cast(size, "double", "vocabulary_size")], "least_share");
  const isNeeded = b.op("GreaterOrEqual", [chances, least], "is_needed");
  const needed = b.sum(b.cast(isNeeded, "int64", "needed_numbers"), [1], "needed"); // [B]
  const count = b.reshape(b.largest(needed, "most_needed"), [1], "sorted_count");
  const [start, end, axis, back] = [b.ints([-1]), b.ints([-END]), b.ints([1]), b.ints([-1])];
  const turned = b.op("Slice", [chances, start, end, axis, back], "shares_turned");
  const sorted = b.node("TopK", [turned, count], ["sorted", "sorted_turned"], alongTokens);
  const last = b.op("Sub", [size, b.int(1)], "vocabulary_last");
  const ids = b.op("Sub", [last, sorted.outputs[1] ?? null], "sorted_ids");
  return { values: sorted.result, ids };
}

/** Numbers as float has them. */
function rounded(b: Builder, x: Value, name: string): Value {
  return b.cast(b.cast(x, "float", `${name}_rounded`), "double", name);
}
