import { createCipheriv, createHash } from "node:crypto";
import type { DType } from "../ir/dtype.ts";
import { toBfloat, toHalf } from "../ir/scalar.ts";
import type { Init } from "./kind.ts";

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
  if (init.kind === "uniform" && size === 2)
    return uniformHalf(init.bound, dtype, randomBits(seed, name, count * 2));
  const random = new Uint32Array(randomBits(seed, name, count * 8).buffer);
  const values =
    init.kind === "uniform" ? uniform(init.bound, random, count) : normal(init.std, random, count);
  return encode(values, dtype);
}

function randomBits(seed: number, name: string, bytes: number): Uint8Array {
  const digest = createHash("sha256").update(`tfc ${seed} ${name}`).digest();
  const cipher = createCipheriv("aes-128-ctr", digest.subarray(0, 16), digest.subarray(16));
  // A copy with a buffer of its own: what the cipher returns may be a slice of a pool, at any alignment.
  const bits = new Uint8Array(bytes);
  const zeros = new Uint8Array(Math.min(bytes, 1 << 20));
  for (let at = 0; at < bytes; at += zeros.length) {
    bits.set(cipher.update(zeros.subarray(0, Math.min(zeros.length, bytes - at))), at);
  }
  return bits;
}

/** Of two words a number, the first gives 24 bits: what a float32 holds. */
function uniform(bound: number, random: Uint32Array, count: number): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = (((random[i * 2] ?? 0) >>> 8) / 2 ** 23 - 1) * bound;
  return values;
}

/** By Box and Muller: two words give one number. */
function normal(std: number, random: Uint32Array, count: number): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const u = ((random[i * 2] ?? 0) + 1) / (2 ** 32 + 1);
    const angle = (2 * Math.PI * (random[i * 2 + 1] ?? 0)) / 2 ** 32;
    values[i] = std * Math.sqrt(-2 * Math.log(u)) * Math.cos(angle);
  }
  return values;
}

/** All 65,536 answers are looked up: for models of billions of weights this is where the time would go. */
function uniformHalf(bound: number, dtype: DType, bits: Uint8Array): Uint8Array {
  const half = dtype === "float16" ? toHalf : toBfloat;
  const table = Uint16Array.from({ length: 65536 }, (_, i) => half(((i + 0.5) / 32768 - 1) * bound));
  const words = new Uint16Array(bits.buffer);
  for (let i = 0; i < words.length; i++) words[i] = table[words[i] ?? 0] ?? 0;
  return bits;
}

function encode(values: Float64Array, dtype: DType): Uint8Array {
  switch (dtype) {
    case "double":
      return new Uint8Array(values.buffer);
    case "float":
      return new Uint8Array(Float32Array.from(values).buffer);
    default: {
      const half = dtype === "float16" ? toHalf : toBfloat;
      return new Uint8Array(Uint16Array.from(values, half).buffer);
    }
  }
}
