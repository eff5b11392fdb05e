/**
 * The random numbers of a seed: one for each token that is sampled. A number depends on the seed and on how many tokens
 * came before, and on nothing else, so that a text is the same whether it is made alone or in a batch, by a loop in
 * JavaScript or by one in a graph. All is arithmetic of whole numbers below 2^62, which int64 ops of ONNX can do:
 *
 *   p = 2^31 - 1
 *   mix(x)           = for each c of {@link ROUNDS}: x ← (x + c)^5 mod p
 *   draw(seed, step) = mix(key + step mod {@link PERIOD}) / p,  key = mix(mix(seed mod p) + floor(seed / p))
 *
 * Fifth powers permute the numbers below p, since 5 has no factor in common with p - 1; rounds of an odd power and an
 * addition are the permutation MiMC (Albrecht, Grassi, Rechberger, Roy and Tiessen, 2016).
 */

/** 2^31 - 1, a prime. */
export const PRIME = 2 ** 31 - 1;

/** Fractional parts of the square roots of 2, 3, 5 and 7, times {@link PRIME}. */
export const ROUNDS: readonly number[] = [2, 3, 5, 7].map((n) => Math.floor((Math.sqrt(n) % 1) * PRIME));

/** Steps after which the numbers of a seed come again: more than any text has tokens. */
export const PERIOD = 2 ** 20;

/** The numbers of a seed: uniform in [0, 1), by step. @param seed a whole number, 0 or more */
export function draws(seed: number): (step: number) => number {
  const key = mix((mix(seed % PRIME) + (Math.floor(seed / PRIME) % PRIME)) % PRIME);
  return (step) => mix((key + (step % PERIOD)) % PRIME) / PRIME;
}

function mix(x: number): number {
  return ROUNDS.reduce((at, round) => fifth((at + round) % PRIME), x);
}

function fifth(x: number): number {
  const square = product(x, x);
  return product(product(square, square), x);
}

/** a b mod p, in parts that doubles hold. */
function product(a: number, b: number): number {
  const low = a % 65536;
  return (((((a - low) / 65536) * b) % PRIME) * 65536 + low * b) % PRIME;
}
