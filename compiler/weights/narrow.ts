import type { HalfType } from "../ir/dtype.ts";

/** The largest finite number of each. */
export const LARGEST: Readonly<Record<HalfType, number>> = {
  float16: 65504,
  bfloat16: (2 - 2 ** -7) * 2 ** 127,
};

/** Bits of the largest float32 that is taken for each, without its sign; of bfloat16 the last that rounds to a finite one. */
const MOST: Readonly<Record<HalfType, number>> = { float16: 0x477fe000, bfloat16: 0x7f7f7fff };

const MAGNITUDE = 0x7fffffff;

/** An element that a type cannot hold. */
export interface Unfit {
  readonly index: number;
  readonly value: number;
}

/**
 * Elements of float32 as float16 or bfloat16, rounded to nearest even, piece by piece.
 *
 * A tensor whose elements are all zero or below the range is a mask, of which what is below becomes the lowest finite
 * number; infinity stays. So it is with a single number.
 *
 * @param pieces little-endian; each of whole elements
 * @param refuse throws; told of the first element that is no number or beyond the range, where it is no mask's
 */
export function* narrowed(
  pieces: Iterable<Uint8Array>,
  to: HalfType,
  refuse: (unfit: Unfit) => never,
): Generator<Uint8Array, void, void> {
  let [start, isFilled] = [0, false];
  let unfit: Unfit | null = null;
  for (const piece of pieces) {
    const words = wordsOf(piece);
    const halves = new Uint16Array(words.length);
    const found = to === "float16" ? toHalves(words, halves) : toBfloats(words, halves);
    if (found.unfit >= 0) {
      const value = numbersOf(words)[found.unfit] ?? 0;
      unfit ??= { index: start + found.unfit, value };
      // Neither NaN nor what is above the range is in a mask.
      const isAlone = start === 0 && words.length === 1 && !Number.isNaN(value);
      const other = isAlone ? -1 : numbersOf(words).findIndex((one) => !(one <= LARGEST[to]));
      if (other >= 0)
        return refuse(isFilled ? unfit : { index: start + other, value: numbersOf(words)[other] ?? 0 });
      clamp(words, halves, to);
    }
    isFilled ||= found.isFilled;
    start += words.length;
    if (unfit !== null && isFilled) return refuse(unfit);
    yield new Uint8Array(halves.buffer);
  }
}

/** Whether some element in range is not zero, and the first that is not in range, or -1. */
interface Found {
  readonly isFilled: boolean;
  readonly unfit: number;
}

function toHalves(words: Uint32Array, halves: Uint16Array): Found {
  const numbers = numbersOf(words);
  let [any, unfit] = [0, -1];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    const bits = word & MAGNITUDE;
    const sign = (word >>> 16) & 0x8000;
    if (bits > MOST.float16) {
      if (unfit < 0) unfit = i;
      continue;
    }
    any |= bits;
    // Exponents differ by 112. Adding just less than half of the last place, and its own last bit, rounds to even.
    if (bits >= SMALLEST_NORMAL)
      halves[i] = sign | ((bits - 0x38000000 + 0xfff + ((bits >>> 13) & 1)) >>> 13);
    else if (bits !== 0) halves[i] = sign | rounded(Math.abs(numbers[i] ?? 0) * 2 ** 24);
    else halves[i] = sign;
  }
  return { isFilled: any !== 0, unfit };
}

/** 2^-14 */
const SMALLEST_NORMAL = 0x38800000;

/** To nearest even: a float64 of this magnitude has no bits behind the point. */
function rounded(number: number): number {
  return number + 2 ** 52 - 2 ** 52;
}

function toBfloats(words: Uint32Array, halves: Uint16Array): Found {
  let [any, unfit] = [0, -1];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    const bits = word & MAGNITUDE;
    if (bits > MOST.bfloat16) {
      if (unfit < 0) unfit = i;
      continue;
    }
    any |= bits;
    halves[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return { isFilled: any !== 0, unfit };
}

/** The largest finite number in place of what is beyond it; infinities stay. */
function clamp(words: Uint32Array, halves: Uint16Array, to: HalfType): void {
  const [largest, infinity] = to === "float16" ? [0x7bff, 0x7c00] : [0x7f7f, 0x7f80];
  words.forEach((word, i) => {
    const bits = word & MAGNITUDE;
    if (bits > MOST[to]) halves[i] = ((word >>> 16) & 0x8000) | (bits === 0x7f800000 ? infinity : largest);
  });
}

/** Bytes as words, copied where they do not begin where a word may. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = byteAligned(bytes);
  return new Uint32Array(buffer, byteOffset, byteLength >> 2);
}

function byteAligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
}

function numbersOf(words: Uint32Array): Float32Array {
  return new Float32Array(words.buffer, words.byteOffset, words.length);
}
