import { describe, expect, it } from "@jest/globals";
import { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";
import { Prng } from "../../support/prng.ts";

const symbols = ["batch", "past", "step"];

/** A polynomial, and what it is for given sizes, computed without it. */
interface Made {
  readonly polynomial: Polynomial;
  readonly at: (sizes: readonly number[]) => number;
}

function made(next: (below: number) => number, depth: number): Made {
  if (depth === 0 || next(4) === 0) {
    const which = next(symbols.length + 1);
    const name = symbols[which];
    if (name !== undefined) return { polynomial: Polynomial.symbol(name), at: (sizes) => sizes[which] ?? 0 };
    const number = next(7) - 3;
    return { polynomial: Polynomial.of(number), at: () => number };
  }
  const [a, b] = [made(next, depth - 1), made(next, depth - 1)];
  switch (next(3)) {
    case 0:
      return { polynomial: a.polynomial.plus(b.polynomial), at: (sizes) => a.at(sizes) + b.at(sizes) };
    case 1:
      return { polynomial: a.polynomial.minus(b.polynomial), at: (sizes) => a.at(sizes) - b.at(sizes) };
    default:
      return { polynomial: a.polynomial.times(b.polynomial), at: (sizes) => a.at(sizes) * b.at(sizes) };
  }
}

/** The number a polynomial's text says, with sizes in place of its symbols. */
function valueOf(polynomial: Polynomial, sizes: readonly number[]): number {
  return polynomial.key.split(/(?=[+-])/).reduce((sum, term) => {
    const factors = term.replace(/^[+-]/, "").split("\u00b7");
    const sign = term.startsWith("-") ? -1 : 1;
    return sum + factors.reduce((all, one) => all * (sizes[symbols.indexOf(one)] ?? Number(one)), sign);
  }, 0);
}

const grid = [0, 1, 2, 5].flatMap((a) => [0, 1, 3].flatMap((b) => [1, 2, 7].map((c) => [a, b, c])));

describe("a polynomial", () => {
  const numbers = new Prng(7);
  const next = (below: number): number => numbers.below(below);
  const random = Array.from({ length: 200 }, () => made(next, 4));

  it("says what the arithmetic it stands for makes", () => {
    for (const { polynomial, at } of random)
      for (const sizes of grid) expect(valueOf(polynomial, sizes)).toBe(at(sizes) + 0);
  });

  it("has one text for equal ones, and other texts for others", () => {
    for (const a of random.slice(0, 60))
      for (const b of random.slice(0, 60)) {
        const isEqual = grid.every((sizes) => a.at(sizes) === b.at(sizes));
        // Of degree four at most, they cannot agree on all of the grid's points without being equal where they are linear.
        if (a.polynomial.equals(b.polynomial)) expect(isEqual).toBe(true);
        if (!isEqual) expect(a.polynomial.key).not.toBe(b.polynomial.key);
      }
    expect(Polynomial.symbol("a").plus(Polynomial.symbol("b")).key).toBe(
      Polynomial.symbol("b").plus(Polynomial.symbol("a")).key,
    );
  });

  it("is the divisor times the quotient, and the rest", () => {
    for (const [i, { polynomial: a }] of random.entries()) {
      const { polynomial: b } = random[(i + 1) % random.length] ?? { polynomial: Polynomial.ONE };
      const divided = a.divided(b);
      if (divided === null) expect(b.constant).toBe(0);
      else expect(divided.quotient.times(b).plus(divided.rest).key).toBe(a.key);
    }
  });

  it("divides an index of joined axes into those of its parts", () => {
    const [b, k, past, step] = ["b", "k", "past", "step"].map((name) => Polynomial.symbol(name)) as [
      Polynomial,
      Polynomial,
      Polynomial,
      Polynomial,
    ];
    const divided = b.times(past.plus(step)).plus(k).divided(past.plus(step));
    expect([divided?.quotient.key, divided?.rest.key]).toEqual(["b", "k"]);
  });

  it("has a sign where no sizes can change it", () => {
    for (const { polynomial, at } of random) {
      const { sign } = polynomial;
      if (sign !== null) for (const sizes of grid) expect(Math.sign(at(sizes))).toBe(sign);
    }
    expect(Polynomial.symbol("a").plus(Polynomial.ONE).sign).toBe(1);
    expect(Polynomial.symbol("a").sign).toBeNull();
    expect(Polynomial.symbol("a").minus(Polynomial.ONE).sign).toBeNull();
  });
});
