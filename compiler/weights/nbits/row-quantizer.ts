import { rowSizes, type BlockSettings, type RowSizes } from "./settings.ts";

/** A matrix of float weights as `MatMulNBits` takes it, outputs first. */
export interface QuantizedMatrix {
  /** `[out, blocks, block · bits / 8]`; of two numbers of 4 bits the first is in the low ones. */
  readonly packed: Uint8Array;
  /** `[out, blocks]` */
  readonly scales: Float32Array;
  /** `[out, ⌈blocks · bits / 8⌉]`; null where all are in the middle of the range. */
  readonly zeroPoints: Uint8Array | null;
}

/** Space for the numbers of a matrix. */
export function emptyMatrix(
  outFeatures: number,
  inFeatures: number,
  settings: BlockSettings,
): QuantizedMatrix {
  const sizes = rowSizes(inFeatures, settings);
  return {
    packed: new Uint8Array(outFeatures * sizes.packed),
    scales: new Float32Array(outFeatures * sizes.blocks),
    zeroPoints: settings.symmetric ? null : new Uint8Array(outFeatures * sizes.zeroPoints),
  };
}

/** What a scale is in the element type that numbers are quantized with. */
export type RoundScale = (scale: number) => number;

/** A number that cannot be quantized, or the least and the most of a block whose range is infinite in float32. */
export type Unquantizable = {
  readonly output: number;
  /** Of the number, or the first of the block. */
  readonly input: number;
} & ({ readonly value: number } | { readonly least: number; readonly most: number });

/** Some inputs of one output, in a row. */
export interface Run {
  readonly output: number;
  /** The first of them: a multiple of two blocks. */
  readonly first: number;
  readonly numbers: Float32Array;
  /** The same memory. */
  readonly bits: Int32Array;
  /** Where they are in it. */
  readonly start: number;
  readonly length: number;
}

/** Bits of a float as an integer that is ordered as floats are: of infinity, and of the negative one. */
const [INFINITE, MINUS_INFINITE] = [0x7f800000, 0x7f800000 ^ -1];

/**
 * Quantizes a matrix to nearest by the rule of onnxruntime's `MlasQuantizeBlockwise`, so that every bit is what its own
 * quantizer makes:
 *
 * - symmetric: the scale takes the number that is farthest from 0 to the lowest of the range, whatever its sign;
 * - else: what lies between the least and the most, and 0, is cut into 2^bits - 1 steps, and the zero point is rounded;
 * - all is in float32, each operation rounded; halves are rounded away from 0.
 *
 * Its loops run once for each weight of a model: they are written for speed.
 */
export class RowQuantizer {
  readonly #matrix: QuantizedMatrix;
  readonly #settings: BlockSettings;
  readonly #sizes: RowSizes;
  readonly #round: RoundScale;
  /** The least and the most of a block, by bits and as numbers. */
  readonly #range = new Int32Array(2);
  readonly #ends = new Float32Array(this.#range.buffer);
  #unfit: Unquantizable | null = null;

  constructor(matrix: QuantizedMatrix, inFeatures: number, settings: BlockSettings, round: RoundScale) {
    this.#matrix = matrix;
    this.#settings = settings;
    this.#sizes = rowSizes(inFeatures, settings);
    this.#round = round;
  }

  /** What first could not be quantized: what was made of all means nothing then. Null where all could. */
  get unfit(): Unquantizable | null {
    return this.#unfit;
  }

  add(run: Run): void {
    const { block, bits } = this.#settings;
    const { output, first, start } = run;
    const end = start + run.length;
    const { scales, zeroPoints } = this.#matrix;
    for (let at = start, index = first / block; at < end; at += block, index++) {
      const stop = Math.min(at + block, end);
      const areNumbers = this.#measure(run.bits, at, stop);
      const exact = zeroPoints === null ? this.#symmetricScale(run.numbers[at] ?? 0) : this.#scale();
      const scale = this.#round(exact);
      if (!areNumbers || !Number.isFinite(scale)) this.#unfit ??= this.#unfitIn(run, at, stop);
      scales[output * this.#sizes.blocks + index] = scale;
      const zero = zeroPoints === null ? 1 << (bits - 1) : this.#zeroPoint(exact);
      if (zeroPoints !== null) this.#putZero(zeroPoints, output, index, zero);
      const to = output * this.#sizes.packed + index * this.#sizes.blob;
      this.#pack(run.numbers, at, stop, to, scale === 0 ? 0 : Math.fround(1 / scale), zero);
      if (bits === 4 && (stop - at) % 2 === 1) this.#keepLast(to, stop - at, index);
    }
  }

  /** What is wrong with a block of a run. */
  #unfitIn({ output, first, start, numbers }: Run, at: number, stop: number): Unquantizable {
    const input = first + at - start;
    const odd = numbers.subarray(at, stop).findIndex((number) => !Number.isFinite(number));
    if (odd >= 0) return { output, input: input + odd, value: numbers[at + odd] ?? 0 };
    return { output, input, least: this.#ends[0] ?? 0, most: this.#ends[1] ?? 0 };
  }

  /** Finds the least and the most. @returns whether all are finite numbers */
  #measure(bits: Int32Array, at: number, stop: number): boolean {
    let least = 0x7fffffff;
    let most = -0x80000000;
    for (let i = at; i < stop; i++) {
      const x = bits[i] ?? 0;
      const ordered = x ^ ((x >> 31) & 0x7fffffff);
      if (ordered < least) least = ordered;
      if (ordered > most) most = ordered;
    }
    this.#range[0] = least ^ ((least >> 31) & 0x7fffffff);
    this.#range[1] = most ^ ((most >> 31) & 0x7fffffff);
    return most < INFINITE && least > MINUS_INFINITE;
  }

  #symmetricScale(first: number): number {
    const least = this.#ends[0] ?? 0;
    const most = this.#ends[1] ?? 0;
    const farthest = Math.abs(most) > Math.abs(least) ? most : least;
    // Of zeros of both signs the quantizer takes the first.
    return Math.fround(-(farthest === 0 ? first : farthest) / (1 << (this.#settings.bits - 1)));
  }

  #scale(): number {
    const range = Math.fround(Math.max(this.#ends[1] ?? 0, 0) - Math.min(this.#ends[0] ?? 0, 0));
    return Math.fround(range / ((1 << this.#settings.bits) - 1));
  }

  #zeroPoint(scale: number): number {
    const least = Math.min(this.#ends[0] ?? 0, 0);
    const exact = scale === 0 ? 0 : -Math.fround(least / scale);
    return Math.min((1 << this.#settings.bits) - 1, (exact + 0.5) | 0);
  }

  #putZero(zeroPoints: Uint8Array, output: number, index: number, zero: number): void {
    const row = output * this.#sizes.zeroPoints;
    if (this.#settings.bits === 8) zeroPoints[row + index] = zero;
    // The middle stands for the block that is missing behind the last of an odd number.
    else if (index % 2 === 0) zeroPoints[row + index / 2] = zero | (8 << 4);
    else zeroPoints[row + (index - 1) / 2] = ((zeroPoints[row + (index - 1) / 2] ?? 0) & 15) | (zero << 4);
  }

  #pack(from: Float32Array, at: number, stop: number, to: number, factor: number, zero: number): void {
    const { packed } = this.#matrix;
    // Scales near the least of floats have no reciprocal: everything but 0 is at an end then.
    if (!Number.isFinite(factor)) packEnds(from, at, stop, factor, packed, to, this.#settings.bits);
    else if (this.#settings.bits === 8) packBytes(from, at, stop, factor, zero, packed, to);
    else packNibbles(from, at, stop, factor, zero, packed, to);
  }

  /** Leaves in the high bits behind an odd end what the quantizer does: those before, of the two blocks it has at a time. */
  #keepLast(to: number, length: number, index: number): void {
    const { packed } = this.#matrix;
    const last = to + (length - 1) / 2;
    const before = length > 1 || index % 2 === 1 ? (packed[last - 1] ?? 0) >> 4 : 0;
    packed[last] = ((packed[last] ?? 0) & 15) | (before << 4);
  }
}

function packBytes(
  from: Float32Array,
  at: number,
  stop: number,
  factor: number,
  zero: number,
  to: Uint8Array,
  start: number,
): void {
  for (let i = at, p = start; i < stop; i++, p++) {
    const x = (Math.fround(Math.fround((from[i] ?? 0) * factor) + zero) + 0.5) | 0;
    to[p] = Math.min(255, Math.max(0, x));
  }
}

function packNibbles(
  from: Float32Array,
  at: number,
  stop: number,
  factor: number,
  zero: number,
  to: Uint8Array,
  start: number,
): void {
  for (let i = at, p = start; i < stop; i += 2, p++) {
    const x = (Math.fround(Math.fround((from[i] ?? 0) * factor) + zero) + 0.5) | 0;
    // Behind an odd end lies what does not matter: those bits are set by the caller.
    const y = (Math.fround(Math.fround((from[i + 1] ?? 0) * factor) + zero) + 0.5) | 0;
    to[p] = Math.min(15, Math.max(0, x)) | (Math.min(15, Math.max(0, y)) << 4);
  }
}

/** Packs by a factor that is infinite: 0 times it is no number, and the quantizer makes 0 of that. */
function packEnds(
  from: Float32Array,
  at: number,
  stop: number,
  factor: number,
  to: Uint8Array,
  start: number,
  bits: number,
): void {
  const top = (1 << bits) - 1;
  for (let i = at; i < stop; i++) {
    const value = (from[i] ?? 0) * factor > 0 ? top : 0;
    const p = start + (bits === 8 ? i - at : (i - at) >> 1);
    to[p] = bits === 4 && (i - at) % 2 === 1 ? (to[p] ?? 0) | (value << 4) : value;
  }
}
