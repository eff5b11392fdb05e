import { attribute } from "../../../compiler/ir/attribute.ts";
import type { Builder } from "../../../compiler/ir/builder.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Func } from "../../../compiler/ir/model.ts";
import { tensorOf } from "../../../compiler/ir/scalar.ts";
import type { Dim } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { loopInputs } from "../../../compiler/ops/decode-loop.ts";
import { drawnSteps, drawsOf } from "./_draws.ts";

/** What inputs say of all steps, made ready in front of the loop. B rows; floats unless they are told otherwise. */
export interface Settings {
  /** int64 `[]`: steps at most */
  readonly steps: Value;
  /** int64 `[B]`: tokens of each row at most */
  readonly most: Value;
  /** int64 `[1, stops]`, the last is -1: what is chosen where logits are NaN */
  readonly stops: Value;
  /** bool `[]`: whether every row takes the likeliest token as the model has it */
  readonly isPlain: Value;
  readonly sampling: Sampling;
}

/** What sampling reads, in the order in which its function takes it. */
export interface Sampling {
  /** double `[B, steps]` */
  readonly draws: Value;
  /** int64 `[]`: how many steps have numbers of their own */
  readonly drawn: Value;
  /** `[B, 1]`, 1 where the likeliest is taken */
  readonly temperature: Value;
  /** bool `[B, 1]`: whether the likeliest is taken */
  readonly isGreedy: Value;
  /** int64 `[B, 1]`, 1 where all are taken */
  readonly topK: Value;
  /** bool `[B, 1]`: whether all are taken */
  readonly isAnyRank: Value;
  /** int64 `[1]` */
  readonly largestK: Value;
  /** `[B, 1]` */
  readonly topP: Value;
  /** bool `[]`: whether any row leaves some out by it */
  readonly hasTopP: Value;
  /** `[B, 1]` */
  readonly minP: Value;
  /** `[B, 1]` */
  readonly penalty: Value;
}

/** Names of the operands of sampling, by what they are. */
export const samplingOperands: Readonly<Record<keyof Sampling, string>> = {
  draws: "draws",
  drawn: "drawn",
  temperature: "temperature",
  isGreedy: "is_greedy",
  topK: "top_k",
  isAnyRank: "is_any_rank",
  largestK: "largest_k",
  topP: "top_p",
  hasTopP: "has_top_p",
  minP: "min_p",
  penalty: "penalty",
};

/** An input for settings, which comes behind those that are there. */
export function settingInput(
  b: Builder,
  graph: Graph,
  name: string,
  dtype: DType,
  shape: readonly Dim[],
  initial?: number,
): Value {
  const rw = b.rewriter;
  const tensor = initial === undefined ? undefined : tensorOf(dtype, [1], [initial]);
  const value = rw.value(b.loc, name, { kind: "tensor", dtype, shape }, tensor);
  if (tensor !== undefined) rw.addInitializer(graph, value);
  rw.addInput(graph, value);
  return value;
}

/** Numbers of settings: one, or one for each row. */
const PER_ROW: readonly Dim[] = ["settings"];

interface Given {
  readonly asked: Value;
  readonly temperature: Value;
  readonly topK: Value;
  readonly topP: Value;
  readonly seed: Value;
  readonly stops: Value;
  readonly minP: Value;
  readonly penalty: Value;
}

function inputsOf(b: Builder, graph: Graph): Given {
  const input = (name: string, dtype: DType, initial?: number): Value =>
    settingInput(b, graph, name, dtype, PER_ROW, initial);
  return {
    asked: input(loopInputs.maxNewTokens, "int64"),
    temperature: input(loopInputs.temperature, "float"),
    topK: input(loopInputs.topK, "int64"),
    topP: input(loopInputs.topP, "float"),
    seed: input(loopInputs.seed, "int64"),
    stops: settingInput(b, graph, loopInputs.stopIds, "int64", ["stops"]),
    minP: input(loopInputs.minP, "float", 0),
    penalty: input(loopInputs.repetitionPenalty, "float", 1),
  };
}

/** Writes what settings are for each row. */
class Spread {
  readonly b: Builder;
  readonly #column: Value;

  /** @param rows int64 `[1]` */
  constructor(b: Builder, rows: Value) {
    this.b = b;
    this.#column = b.concat([rows, b.ints([1])], 0, "column");
  }

  /** `[B, 1]` */
  rows(value: Value, name: string): Value {
    return this.b.op(
      "Expand",
      [this.b.unsqueeze(value, [1], `${name}_column`), this.#column],
      `${name}_rows`,
    );
  }
}

/**
 * Inputs of settings, and what steps read of them.
 *
 * @param rows int64 `[1]`: B
 * @param mix the function that draws are made with
 * @param limited what steps there may be at most, of what was asked for: int64 `[]`
 */
export function settingsOf(
  b: Builder,
  graph: Graph,
  rows: Value,
  limited: (steps: Value) => Value,
  mix: Func,
): Settings {
  const given = inputsOf(b, graph);
  const spread = new Spread(b, rows);
  const longest = b.op("ReduceMax", [given.asked], "longest", { keepdims: attribute.int(0) });
  const steps = b.op("Max", [limited(longest), b.int(0)], "steps_most");
  const { isPlain, ...scores } = scoresOf(spread, given);
  const least = b.op("Max", [steps, b.int(1)], "steps_least");
  const drawn = b.op("Where", [isPlain, b.int(1), drawnSteps(b, least)], "drawn");
  return {
    steps,
    most: b.op("Squeeze", [spread.rows(given.asked, "asked"), b.ints([1])], "most"),
    stops: b.unsqueeze(b.concat([given.stops, b.ints([-1])], 0, "stops_and_none"), [0], "stops_row"),
    isPlain,
    sampling: {
      draws: drawsOf(b, mix, seedsOf(b, given.seed, rows), drawn),
      drawn,
      ...scores,
      ...ranksOf(spread, given),
      ...nucleusOf(spread, given),
      minP: spread.rows(given.minP, "min_p"),
    },
  };
}

function scoresOf(
  spread: Spread,
  { temperature, penalty }: Given,
): Pick<Sampling, "temperature" | "isGreedy" | "penalty"> & Pick<Settings, "isPlain"> {
  const { b } = spread;
  const one = b.constant("float", [], [1], "one");
  const heat = spread.rows(temperature, "temperature");
  const isHot = b.op("Greater", [heat, b.constant("float", [], [0], "zero")], "is_hot");
  const penalties = spread.rows(penalty, "penalty");
  const isPenalty = b.op("Not", [b.op("Equal", [penalties, one], "is_neutral")], "is_penalty");
  return {
    temperature: b.op("Where", [isHot, heat, one], "temperatures"),
    isGreedy: b.op("Not", [isHot], "is_greedy"),
    penalty: penalties,
    isPlain: b.op("Not", [anyOf(b, b.op("Or", [isHot, isPenalty], "is_choosing"), "chooses")], "is_plain"),
  };
}

function ranksOf(spread: Spread, { topK }: Given): Pick<Sampling, "topK" | "isAnyRank" | "largestK"> {
  const { b } = spread;
  const ranks = spread.rows(topK, "top_k");
  const isRanked = b.op("Greater", [ranks, b.int(0)], "is_ranked");
  const kept = b.op("Where", [isRanked, ranks, b.int(1)], "ranks");
  return {
    topK: kept,
    isAnyRank: b.op("Not", [isRanked], "is_any_rank"),
    largestK: b.reshape(b.largest(kept, "largest_rank"), [1], "largest_k"),
  };
}

function nucleusOf(spread: Spread, { topP }: Given): Pick<Sampling, "topP" | "hasTopP"> {
  const { b } = spread;
  const nucleus = spread.rows(topP, "top_p");
  const isPart = b.op("Less", [nucleus, b.constant("float", [], [1], "whole")], "is_nucleus");
  return { topP: nucleus, hasTopP: anyOf(b, isPart, "has_nucleus") };
}

/** Whether any element is true: bool `[]`. */
export function anyOf(b: Builder, of: Value, name: string): Value {
  const numbers = b.cast(of, "int32", `${name}_numbers`);
  const most = b.op("ReduceMax", [numbers], `${name}_most`, { keepdims: attribute.int(0) });
  return b.cast(most, "bool", name);
}

/** The seed of each row, `[B, 1]`: what is given once is counted on from row to row. */
function seedsOf(b: Builder, seed: Value, rows: Value): Value {
  const given = b.dim(seed, 0, "seeds_given"); // [1]
  const isShared = b.op("Equal", [given, b.ints([1])], "is_one_seed");
  const numbers = b.op("Where", [isShared, b.range(rows, "row_numbers"), b.ints([0])], "row_seeds");
  return b.unsqueeze(b.op("Add", [seed, numbers], "seeds"), [1], "seeds_column");
}
