import { createCipheriv, createHash } from "node:crypto";
import type { DType } from "../ir/dtype.ts";
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
  const size = { float: 4, double: 8, float16: 2, bfloat16: 2 }[dtype as string];
  if (size === undefined) throw new Error(`a leaf of type ${dtype}`);
  if (init.kind === "zeros") return new Uint8Array(count * size);
  if (size === 2) return lookUp(randomBits(seed, name, count * 2), quantiles(init, dtype));
  const random = new Uint32Array(randomBits(seed, name, (count + (count % 2)) * 4).buffer);
  const numbers = init.kind === "uniform" ? uniform(init.bound, random) : normal(init.std, random);
  return new Uint8Array((size === 4 ? numbers : Float64Array.from(numbers)).buffer, 0, count * size);
}

/** What a cipher turns into its key stream, a megabyte at a time. */
const ZEROS = new Uint8Array(1 << 20);

function randomBits(seed: number, name: string, bytes: number): Uint8Array {
  const digest = createHash("sha256").update(`tfc ${seed} ${name}`).digest();
  const cipher = createCipheriv("aes-128-ctr", digest.subarray(0, 16), digest.subarray(16));
  // A copy with a buffer of its own: what the cipher returns may be a slice of a pool, at any alignment.
  const bits = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += ZEROS.length) {
    bits.set(cipher.update(ZEROS.subarray(0, Math.min(ZEROS.length, bytes - at))), at);
  }
  return bits;
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

function lookUp(bits: Uint8Array, table: Uint16Array): Uint8Array {
  const words = new Uint16Array(bits.buffer);
  for (let i = 0; i < words.length; i++) words[i] = table[words[i] ?? 0] ?? 0;
  return bits;
}
