import type { Builder } from "../../../compiler/ir/builder.ts";
import type { FunctionBuilder } from "../../../compiler/ir/function-builder.ts";
import type { Func } from "../../../compiler/ir/model.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { PERIOD, PRIME, ROUNDS } from "../../../compiler/ops/draws.ts";
import { TFC_DOMAIN } from "../../../compiler/sites/site.ts";

/** The function `mix` of the random numbers, of int64 of any shape. */
export function mixFunction(b: FunctionBuilder, name: string): Func {
  const prime = b.int(PRIME);
  const reduced = (value: Value, hint: string): Value => b.op("Mod", [value, prime], hint);
  const product = (one: Value, other: Value, hint: string): Value =>
    reduced(b.op("Mul", [one, other], `${hint}_product`), hint);
  const mixed = ROUNDS.reduce((at, round, i) => {
    const moved = reduced(b.op("Add", [at, b.int(round)], `sum_${i}`), `moved_${i}`);
    const square = product(moved, moved, `square_${i}`);
    return product(product(square, square, `fourth_${i}`), moved, `fifth_${i}`);
  }, b.input("x"));
  return b.finish(TFC_DOMAIN, name, [mixed]);
}

/**
 * The random numbers of rows: double `[B, n]`, of each seed those of its first n steps, as `draws` makes them.
 *
 * @param mix the function of {@link mixFunction}
 * @param seeds int64 `[B, 1]`
 * @param count int64 `[]`, {@link PERIOD} at most
 */
export function drawsOf(b: Builder, mix: Func, seeds: Value, count: Value): Value {
  const prime = b.int(PRIME);
  const mixed = (x: Value, name: string): Value => b.op(`${mix.domain}::${mix.name}`, [x], name);
  const low = mixed(b.op("Mod", [seeds, prime], "seed_low"), "seed_mixed");
  const key = mixed(b.op("Add", [low, b.op("Div", [seeds, prime], "seed_high")], "seed_sum"), "seed_key"); // [B, 1]
  const steps = b.op("Range", [b.int(0), count, b.int(1)], "steps"); // [n]
  const drawn = mixed(b.op("Add", [key, steps], "seed_steps"), "steps_mixed"); // [B, n]
  const most = b.constant("double", [], [PRIME], "draws_below");
  return b.op("Div", [b.cast(drawn, "double", "steps_numbers"), most], "draws");
}

/** Steps that have numbers of their own. */
export function drawnSteps(b: Builder, steps: Value): Value {
  return b.op("Min", [steps, b.int(PERIOD)], "drawn_steps");
}
