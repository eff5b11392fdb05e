import { createCipheriv, createHash } from "node:crypto";
import type { DType } from "../ir/dtype.ts";
import { joined } from "../ir/pieces.ts";
import { toBfloat, toHalf } from "../ir/scalar.ts";
import type { Init } from "./kind.ts";
import { normalQuantile } from "./normal.ts";

/**
 * The first numbers of a leaf, little-endian. They depend on the seed and the leaf's full name alone: adding a site
 * or an adapter changes no other leaf, and leaves can be made in any order.
 *
 * The random bits are an AES-128-CTR key stream, which is the same everywhere and comes at memory speed.
 *
 * @param name full name of the leaf: `model.layers.0.mlp.tokenformer_k`
 * @param count number of elements
 */
export function initialBytes(
  init: Init,
  dtype: DType,
  count: number,
  seed: number,
  name: string,
): Uint8Array {
  return joined(initialPieces(init, dtype, count, seed, name));
}

/** What {@link initialBytes} gives, in pieces that are made one by one. Each stays as it is when the next is made. */
export function* initialPieces(
  init: Init,
  dtype: DType,
  count: number,
  seed: number,
  name: string,
): Generator<Uint8Array, void, void> {
  const size = sizeOf(dtype);
  const bytesOf = init.kind === "zeros" ? null : numbersFrom(init, dtype);
  // Of each number two random bytes, or four: a piece of doubles is twice as large as its bits.
  const used = Math.min(size, 4);
  const sizes = piecesOf(count * used);
  if (bytesOf === null) {
    for (const length of sizes) yield ZEROS.subarray(0, (length / used) * size);
    return;
  }
  const next = randomBits(seed, name);
  for (const length of sizes) yield bytesOf(next(length)).subarray(0, (length / used) * size);
}

function sizeOf(dtype: DType): number {
  const size = { float: 4, double: 8, float16: 2, bfloat16: 2 }[dtype as string];
  if (size === undefined) throw new Error(`a leaf of type ${dtype}`);
  return size;
}

/** Bits turned into numbers at a time: what the processor keeps near while it is written, read and written again. */
const PIECE = 1 << 18;

/** What a cipher turns into its key stream. */
const ZEROS = new Uint8Array(2 * PIECE);

function piecesOf(bytes: number): readonly number[] {
  return Array.from({ length: Math.ceil(bytes / PIECE) }, (_, i) => Math.min(PIECE, bytes - i * PIECE));
}

/** Gives as many random bytes as it is asked for, and up to seven more: whole pairs of words. */
function randomBits(seed: number, name: string): (bytes: number) => ArrayBuffer {
  const digest = createHash("sha256").update(`tfc ${seed} ${name}`).digest();
  const cipher = createCipheriv("aes-128-ctr", digest.subarray(0, 16), digest.subarray(16));
  return (bytes) => {
    const bits = cipher.update(ZEROS.subarray(0, Math.ceil(bytes / 8) * 8));
    // What the cipher returns may be a slice of a pool, at any alignment.
    const { buffer, byteOffset, length } = bits;
    return byteOffset === 0 && buffer.byteLength === length ? buffer : new Uint8Array(bits).buffer;
  };
}

/** What turns random bits into numbers, mostly in their place. */
function numbersFrom(
  init: Exclude<Init, { kind: "zeros" }>,
  dtype: DType,
): (bits: ArrayBuffer) => Uint8Array {
  if (sizeOf(dtype) === 2) {
    const table = quantiles(init, dtype);
    return (bits) => lookUp(bits, table);
  }
  return (bits) => {
    const random = new Uint32Array(bits);
    const numbers = init.kind === "uniform" ? uniform(init.bound, random) : normal(init.std, random);
    return new Uint8Array((dtype === "double" ? Float64Array.from(numbers) : numbers).buffer);
  };
}

/** A word gives a number of 24 bits: what a float32 holds. The numbers take the place of the words. */
function uniform(bound: number, random: Uint32Array): Float32Array {
  const numbers = new Float32Array(random.buffer);
  for (let i = 0; i < random.length; i++) numbers[i] = (((random[i] ?? 0) >>> 8) / 2 ** 23 - 1) * bound;
  return numbers;
}

/** By Box and Muller: two words give two numbers, which take their place. */
function normal(std: number, random: Uint32Array): Float32Array {
  const numbers = new Float32Array(random.buffer);
  for (let i = 0; i < random.length; i += 2) {
    const u = ((random[i] ?? 0) + 1) / (2 ** 32 + 1);
    const radius = std * Math.sqrt(-2 * Math.log(u));
    const angle = (2 * Math.PI * (random[i + 1] ?? 0)) / 2 ** 32;
    numbers[i] = radius * Math.cos(angle);
    numbers[i + 1] = radius * Math.sin(angle);
  }
  return numbers;
}

const tables = new Map<string, Uint16Array>();

/**
 * The distribution cut into 65,536 parts of equal weight, the middle of each as a number of a 16-bit type. With it
 * two random bytes make a number at the cost of a look-up: for models of billions of weights this is where the time
 * would go.
 */
function quantiles(init: Exclude<Init, { kind: "zeros" }>, dtype: DType): Uint16Array {
  const scale = init.kind === "uniform" ? init.bound : init.std;
  const key = `${dtype} ${init.kind} ${scale}`;
  const known = tables.get(key);
  if (known !== undefined) return known;
  const table = new Uint16Array(65536);
  const half = dtype === "float16" ? toHalf : toBfloat;
  for (let i = 0; i < 32768; i++) {
    const middle = (i + 0.5) / 65536;
    const number = init.kind === "uniform" ? 1 - 2 * middle : -normalQuantile(middle);
    // Both distributions are symmetric, and the sign of a 16-bit number is its first bit.
    const bits = half(number * scale);
    table[65535 - i] = bits;
    table[i] = bits | 0x8000;
  }
  tables.set(key, table);
  return table;
}

/** Two numbers at a time, since what takes long is to read and write memory. */
function lookUp(bits: ArrayBuffer, table: Uint16Array): Uint8Array {
  const pairs = new Int32Array(bits);
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] ?? 0;
    pairs[i] = (table[pair & 0xffff] ?? 0) | ((table[pair >>> 16] ?? 0) << 16);
  }
  return new Uint8Array(bits);
}
