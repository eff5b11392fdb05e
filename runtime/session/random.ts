/** A stream of numbers that a seed and a name determine, the same on every machine. */
export interface Random {
  /** uniform in [0, 1) */
  next(): number;
  /** a whole number in [0, n) */
  below(n: number): number;
  /** mean 0, deviation 1 */
  normal(): number;
}

/** A 32-bit xorshift generator. Streams of different names under one seed are independent of each other's order. */
export function random(seed: number, name = ""): Random {
  let state = scramble(seed);
  for (let i = 0; i < name.length; i++) state = scramble(state ^ name.charCodeAt(i));
  // xorshift never leaves zero.
  if (state === 0) state = 0x9e3779b9;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  return {
    next,
    below: (n) => Math.floor(next() * n),
    // Box and Muller; 1 - next() keeps the logarithm's argument above zero.
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  };
}

/** Spreads the bits of a whole number, so that near seeds give far states. */
function scramble(x: number): number {
  let bits = Math.imul(x ^ (x >>> 16), 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 13), 0x85ebca77);
  return ((bits ^ (bits >>> 16)) + 0x6d2b79f5) | 0;
}
