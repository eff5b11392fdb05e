import type { Random } from "./random.ts";

/** Lengths and counts at which readers go wrong. */
const edges = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0xffffn,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
] as const;

export function edge(random: Random): bigint {
  return random.of(edges);
}

/** Changes a few bytes: bits, bytes, words, parts put in, taken out or repeated, an end that is missing. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let out = Uint8Array.from(bytes);
  for (let n = 1 + random.below(4); n > 0; n--) out = change(out, random);
  return out;
}

function change(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(random.once(4) ? 300 : 12);
  switch (random.below(7)) {
    case 0:
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = random.below(256);
      return bytes;
    case 2: {
      const width = random.of([2, 4, 8] as const);
      const word = Buffer.alloc(8);
      word.writeBigUInt64LE(edge(random));
      if (at + width <= bytes.length) bytes.set(word.subarray(0, width), at);
      return bytes;
    }
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4: {
      const from = random.below(bytes.length + 1);
      return joined(bytes.subarray(0, at), bytes.subarray(from, from + length), bytes.subarray(at));
    }
    case 5:
      return joined(bytes.subarray(0, at));
    default: {
      const noise = Uint8Array.from({ length }, () => random.below(256));
      return joined(bytes.subarray(0, at), noise, bytes.subarray(at));
    }
  }
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(parts));
}
