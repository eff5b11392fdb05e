/** Bits that are counted at once, in three rounds. */
const ROUNDS = [
  { shift: 21, mask: 0x7ff },
  { shift: 10, mask: 0x7ff },
  { shift: 0, mask: 0x3ff },
] as const;
const counts = new Uint32Array(0x800);

/**
 * The k-th largest of the first `count` scores, as if they were sorted: found by counting the upper bits of all, then
 * the next ones of those that have the k-th's upper bits, which takes the same time for any scores.
 *
 * @param scores none is NaN
 * @param k from 1 to `count`
 */
export function kthLargest(scores: Float32Array, count: number, k: number): number {
  const bits = new Int32Array(scores.buffer, scores.byteOffset, count);
  let [key, known, left] = [0, 0, k];
  for (const { shift, mask } of ROUNDS) {
    counts.fill(0);
    for (let i = 0; i < count; i++) {
      const one = ordered(bits[i] ?? 0);
      if ((one & known) !== key) continue;
      const digit = (one >>> shift) & mask;
      counts[digit] = (counts[digit] ?? 0) + 1;
    }
    let digit: number = mask;
    for (; digit > 0 && (counts[digit] ?? 0) < left; digit--) left -= counts[digit] ?? 0;
    key |= digit << shift;
    known |= mask << shift;
  }
  return floatOf(key);
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
