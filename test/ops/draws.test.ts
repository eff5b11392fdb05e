import { expect, test } from "@jest/globals";
import { draws, PERIOD, PRIME, ROUNDS } from "../../compiler/ops/draws.ts";

const MANY = 100_000;

/** Pearson's statistic of numbers in [0, 1) over 256 equal bins: 255 on average, deviation 22.6. */
function unevenness(numbers: Iterable<number>): number {
  const bins = new Float64Array(256);
  let count = 0;
  for (const number of numbers) {
    bins[Math.floor(number * 256)] = (bins[Math.floor(number * 256)] ?? 0) + 1;
    count++;
  }
  return bins.reduce((sum, bin) => sum + (bin - count / 256) ** 2 / (count / 256), 0);
}

const list = (of: (i: number) => number): number[] => Array.from({ length: MANY }, (_, i) => of(i));

/** Two numbers as one, by their first four bits. */
const pair = (a: number, b: number): number => (Math.floor(a * 16) + b) / 16;

/** The definition, in integers of any size. */
function exact(seed: number, step: number): number {
  const p = BigInt(PRIME);
  const mix = (x: bigint): bigint => ROUNDS.reduce((at, round) => (at + BigInt(round)) ** 5n % p, x);
  const key = mix((mix(BigInt(seed) % p) + BigInt(seed) / p) % p);
  return Number(mix((key + BigInt(step % PERIOD)) % p)) / PRIME;
}

test("equal what the definition says", () => {
  for (const seed of [0, 1, 77, PRIME - 1, PRIME, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER]) {
    const of = draws(seed);
    for (const step of [0, 1, 2, 9999, PERIOD - 1, PERIOD]) expect(of(step)).toBe(exact(seed, step));
  }
});

test.each([
  ["of one seed", list(draws(0))],
  ["of one seed, their last bits", list((i) => ((draws(3)(i) * PRIME) % 256) / 256)],
  ["of neighbouring seeds", list((i) => draws(i)(0))],
  ["of far seeds", list((i) => draws(2 ** 40 + i * 1_000_003)(1))],
  ["one after the other", list((i) => pair(draws(1)(2 * i), draws(1)(2 * i + 1)))],
  ["of neighbouring seeds together", list((i) => pair(draws(i)(0), draws(i + 1)(0)))],
  ["of seed and step that have one sum", list((i) => pair(draws(i)(5), draws(i + 1)(4)))],
])("are uniform: %s", (_, numbers) => {
  // Beyond these bounds is one in ten million.
  expect(unevenness(numbers)).toBeGreaterThan(150);
  expect(unevenness(numbers)).toBeLessThan(390);
});
