const HALF = 0xffff;
/** Counts of upper, and then of lower halves of bits. */
const counts = new Uint32Array(HALF + 1);

/**
 * The k-th largest of the first `count` scores, as if they were sorted: found by counting first the upper and then the
 * lower halves of their bits, which takes the same time for any scores.
 *
 * @param scores none is NaN
 * @param k from 1 to `count`
 */
export function kthLargest(scores: Float32Array, count: number, k: number): number {
  const bits = new Int32Array(scores.buffer, scores.byteOffset, count);
  counts.fill(0);
  for (let i = 0; i < count; i++) tally(ordered(bits[i] ?? 0) >>> 16);
  const upper = reach(k);
  counts.fill(0);
  for (let i = 0; i < count; i++) {
    const key = ordered(bits[i] ?? 0);
    if (key >>> 16 === upper.half) tally(key & HALF);
  }
  return floatOf((upper.half << 16) | reach(k - upper.above).half);
}

function tally(half: number): void {
  counts[half] = (counts[half] ?? 0) + 1;
}

/** Where the k-th from the top is, and how many lie above that half. */
function reach(k: number): { readonly half: number; readonly above: number } {
  let [half, above] = [HALF, 0];
  for (; half > 0 && above + (counts[half] ?? 0) < k; half--) above += counts[half] ?? 0;
  return { half, above };
}

/** Bits whose order as unsigned integers is that of the numbers: those of negative ones are turned over. */
function ordered(bits: number): number {
  return bits < 0 ? ~bits : bits | (1 << 31);
}

const cell = new Int32Array(1);
const cellAsFloat = new Float32Array(cell.buffer);

function floatOf(key: number): number {
  cell[0] = key < 0 ? key & ~(1 << 31) : ~key;
  return cellAsFloat[0] ?? 0;
}
