import { describe, expect, it } from "@jest/globals";
import { forms, slopesOf, type Form, type Operand, type SlopeCase } from "./slopes.ts";

/** How far a gradient may be from a slope, as a share of the largest: what floats leave of a difference. */
const NEAR = 2e-3;

/** Tests that gradients are the slopes that differences give, wherever the nodes are and whatever is known of shapes. */
export function testSlopes(
  family: string,
  cases: readonly SlopeCase[],
  within: readonly Form[] = forms,
): void {
  describe.each(within)(`gradients of ${family} %s`, (form) => {
    it.each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
      for (const { name, gradient, slope } of await slopesOf(one, form)) {
        expect([name, gradient.length]).toEqual([name, slope.length]);
        const most = Math.max(0.5, ...slope.map(Math.abs));
        const isNear = gradient.every((x, i) => Math.abs(x - (slope[i] ?? NaN)) <= NEAR * most);
        if (!isNear) expect({ name, gradient }).toEqual({ name, gradient: slope });
      }
    });
  });
}

/** An operand of drawn floats whose gradient is checked. */
export function floats(...shape: readonly number[]): Operand {
  return { shape };
}

/** An operand of drawn floats that has no gradient. */
export function fixed(...shape: readonly number[]): Operand {
  return { shape, fixed: true };
}

/** An operand of whole numbers. */
export function integers(shape: readonly number[], numbers: readonly number[]): Operand {
  return { shape, integers: numbers };
}
