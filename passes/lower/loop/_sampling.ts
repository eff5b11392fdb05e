import { attribute } from "../../../compiler/ir/attribute.ts";
import type { Builder } from "../../../compiler/ir/builder.ts";
import type { FunctionBuilder } from "../../../compiler/ir/function-builder.ts";
import type { Func } from "../../../compiler/ir/model.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { TFC_DOMAIN } from "../../../compiler/sites/site.ts";
import { either } from "../_branches.ts";
import { inTopP } from "./_nucleus.ts";
import { samplingOperands, type Sampling } from "./_settings.ts";

const keepdims = attribute.int(1);
const alongTokens = { axis: attribute.int(1) };

/** What a step reads to choose. B rows, V tokens. */
export interface Chances {
  /** float `[B, V]` */
  readonly logits: Value;
  /** int64 `[B, T]`: prompt and answer so far */
  readonly ids: Value;
  /** int64 `[]` */
  readonly step: Value;
}

/** The first of the likeliest tokens, int64 `[B]`. */
export function likeliest(b: Builder, { logits }: Chances): Value {
  return b.op("ArgMax", [logits], "likeliest", { ...alongTokens, keepdims: attribute.int(0) });
}

/** The function that chooses: of logits, ids, the step and what {@link Sampling} has. */
export function samplingFunction(b: FunctionBuilder, name: string): Func {
  const chances = { logits: b.input("logits"), ids: b.input("ids"), step: b.input("step") };
  const inputs = Object.entries(samplingOperands).map(([key, operand]) => [key, b.input(operand)]);
  const chosen = sampled(b, chances, Object.fromEntries(inputs) as Record<keyof Sampling, Value>);
  return b.finish(TFC_DOMAIN, name, [chosen]);
}

/** A call of it. */
export function sample(
  b: Builder,
  { domain, name }: Func,
  { logits, ids, step }: Chances,
  s: Sampling,
): Value {
  const operands = Object.keys(samplingOperands).map((key) => s[key as keyof Sampling]);
  return b.op(`${domain}::${name}`, [logits, ids, step, ...operands], "sampled");
}

/**
 * Chosen tokens, int64 `[B]`, as docs/decisions/0091-draws.md has it and `runtime/generate` does: repetition penalty,
 * temperature and top-k of scores in float, top-p and min-p of weights in double, then the first id at which the weights
 * up to it exceed what was drawn.
 */
function sampled(b: Builder, { logits, ids, step }: Chances, s: Sampling): Value {
  const scores = penalized(b, logits, ids, s.penalty); // [B, V]
  const best = b.op("ArgMax", [scores], "best", { ...alongTokens, keepdims }); // [B, 1]
  const scaled = b.op("Div", [scores, s.temperature], "scaled");
  const top = b.op("GatherElements", [scaled, best], "top", alongTokens);
  const [depth, zero] = [b.cast(scaled, "double", "scaled_exact"), b.constant("double", [], [0], "zero")];
  const odds = b.op("Exp", [b.op("Sub", [depth, b.cast(top, "double", "top_exact")], "below_top")], "odds"); // 1 of the likeliest
  const ranked = b.op("Where", [isInTopK(b, scaled, s), odds, zero], "ranked");
  const nucleus = either(
    b,
    s.hasTopP,
    "nucleus",
    (inner) => inTopP(inner, ranked, s.topP),
    (inner) => inner.op("Identity", [ranked], "all"),
  );
  const weights = b.op("Where", [isInMinP(b, nucleus, s.minP), nucleus, zero], "weights");
  const picked = drawnAt(b, weights, numbersOf(b, s, step)); // [B]
  const greedy = b.op("Squeeze", [s.isGreedy, b.ints([1])], "greedy");
  return b.op("Where", [greedy, b.op("Squeeze", [best, b.ints([1])], "best_tokens"), picked], "chosen");
}

/** Scores of tokens that stand in a row already: divided where they are positive, multiplied where they are not. */
function penalized(b: Builder, scores: Value, ids: Value, penalty: Value): Value {
  const seen = b.op("GatherElements", [scores, ids], "seen", alongTokens); // [B, T]
  const isLow = b.op("Less", [seen, b.constant("float", [], [0], "none")], "is_low");
  const [raised, lowered] = [b.op("Mul", [seen, penalty], "raised"), b.op("Div", [seen, penalty], "lowered")];
  const changed = b.op("Where", [isLow, raised, lowered], "penalized");
  return b.op("ScatterElements", [scores, ids, changed], "scores_penalized", alongTokens);
}

/** Whether scores are at least the k-th largest: bool `[B, V]`. */
function isInTopK(b: Builder, scaled: Value, { topK, largestK, isAnyRank }: Sampling): Value {
  const size = b.dim(scaled, 1, "tokens"); // [1]
  const count = b.op("Min", [largestK, size], "ranks_in_all");
  const largest = b.node("TopK", [scaled, count], ["largest", "largest_ids"], alongTokens).result;
  const rank = b.op("Sub", [b.op("Min", [topK, count], "ranks_there"), b.int(1)], "rank"); // [B, 1]
  const least = b.op("GatherElements", [largest, rank], "least", alongTokens);
  return b.op("Or", [isAnyRank, b.op("GreaterOrEqual", [scaled, least], "is_large")], "is_in_top_k");
}

/** Whether probabilities, rounded to float, are at least a part of the likeliest: bool `[B, V]`. */
function isInMinP(b: Builder, weights: Value, minP: Value): Value {
  const total = b.unsqueeze(b.sum(weights, [1], "left"), [1], "left_total"); // [B, 1]
  const chances = b.cast(b.op("Div", [weights, total], "chances_exact"), "float", "chances");
  const most = b.op("Div", [b.constant("double", [], [1], "one"), total], "most_exact");
  const bound = b.op("Mul", [minP, b.cast(most, "float", "most")], "chances_least");
  return b.op("GreaterOrEqual", [chances, bound], "is_likely");
}

/** What each row has drawn for a step: `[B, 1]`. */
function numbersOf(b: Builder, { draws, drawn }: Sampling, step: Value): Value {
  const at = b.op("Mod", [step, drawn], "draw_index");
  return b.unsqueeze(b.op("Gather", [draws, at], "draw", alongTokens), [1], "draw_column");
}

/** The first index at which the sum of weights up to it exceeds a part of all: int64 `[B]`. */
function drawnAt(b: Builder, weights: Value, part: Value): Value {
  const sums = b.op("CumSum", [weights, b.int(1)], "sums"); // [B, V]
  const all = b.unsqueeze(b.op("Gather", [sums, b.int(-1)], "sums_last", alongTokens), [1], "sums_all"); // [B, 1]
  const isReached = b.op("LessOrEqual", [sums, b.op("Mul", [all, part], "reached")], "is_reached");
  return b.sum(b.cast(isReached, "int64", "reached_numbers"), [1], "picked");
}
