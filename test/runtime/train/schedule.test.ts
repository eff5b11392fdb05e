import { describe, expect, it } from "@jest/globals";
import { firstLossScale, nextLossScale, type LossScaleState } from "../../../runtime/train/loss-scale.ts";
import { learningRateAt, schedules, type RateOptions } from "../../../runtime/train/schedule.ts";

const ratesOf = (options: Partial<RateOptions>): number[] => {
  const all: RateOptions = { learningRate: 2, schedule: "cosine", warmup: 0, steps: 8, ...options };
  return Array.from({ length: all.steps }, (_, i) => learningRateAt(i + 1, all));
};

describe("the learning rate", () => {
  it("falls as a cosine, in a line, or not at all", () => {
    // (1 + cos(π i / 8)), by hand.
    expect(ratesOf({}).map((rate) => rate.toFixed(4))).toEqual([
      ...["2.0000", "1.9239", "1.7071", "1.3827", "1.0000", "0.6173", "0.2929", "0.0761"],
    ]);
    expect(ratesOf({ schedule: "linear" })).toEqual([2, 1.75, 1.5, 1.25, 1, 0.75, 0.5, 0.25]);
    expect(ratesOf({ schedule: "constant" })).toEqual(Array.from({ length: 8 }, () => 2));
  });

  it.each(schedules)("rises before that, and no step is made with 0: %s", (schedule) => {
    const rates = ratesOf({ schedule, warmup: 0.3 });
    expect(rates.slice(0, 3)).toEqual([0.5, 1, 1.5]);
    expect(rates[3]).toBe(2);
    expect(Math.min(...rates)).toBeGreaterThan(0);
    expect(Math.max(...rates)).toBe(2);
  });

  it("rises over all steps where that is asked for", () => {
    expect(ratesOf({ warmup: 1, steps: 3 })).toEqual([0.5, 1, 1.5]);
  });
});

describe("the loss scale", () => {
  it("is halved by an overflow, and doubled behind two thousand steps without one", () => {
    let state: LossScaleState | null = nextLossScale(firstLossScale, false);
    expect(state).toEqual({ value: 32768, good: 0 });
    for (let i = 0; i < 1999; i++) state = state === null ? null : nextLossScale(state, true);
    expect(state).toEqual({ value: 32768, good: 1999 });
    expect(state === null ? null : nextLossScale(state, true)).toEqual({ value: 65536, good: 0 });
  });

  it("has an end below", () => {
    let [state, halved]: [LossScaleState | null, number] = [firstLossScale, 0];
    while (state !== null && halved < 100) [state, halved] = [nextLossScale(state, false), halved + 1];
    expect(halved).toBe(27);
  });
});
