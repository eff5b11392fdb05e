import { describe, expect, it } from "@jest/globals";
import { attempt } from "./attempt.ts";
import { targets } from "./targets/index.ts";

/** Inputs of each kind. `npm run fuzz` takes any number. */
const COUNT = 400;

describe.each(targets.map((target) => [target.name, target] as const))("%s", (_, target) => {
  it("is read or refused, whatever it holds", async () => {
    const outcomes = new Map<string, number>();
    for (let seed = 1; seed <= COUNT; seed++) {
      const outcome = await attempt(target, seed);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    // Inputs that are all refused at the door, or none of which is, would test little.
    expect(outcomes.size).toBeGreaterThan(1);
    expect(Math.max(...outcomes.values())).toBeLessThan(COUNT * 0.99);
  });
});
