import { edge } from "./mutate-bytes.ts";
import type { Random } from "./random.ts";

/** Bytes of an offset, and of a vector's length. */
const WORD = 4;

/** Changes offsets, lengths and lists of fields of a flatbuffer: they lead elsewhere, into themselves, or nowhere. */
export function mutateFlatbuffer(bytes: Uint8Array, random: Random): Uint8Array {
  const out = Buffer.from(bytes);
  for (let n = 1 + random.below(4); n > 0; n--) {
    // Found anew: what was changed may lead to others.
    const offsets = offsetsIn(out);
    const at = random.of(offsets) ?? 0;
    const target = targetOf(out, random.of(offsets) ?? 0);
    switch (random.below(6)) {
      case 0:
        // Where another one leads.
        if (target > at) out.writeUInt32LE(target - at, at);
        break;
      case 1:
        out.writeUInt32LE(Number(edge(random) & 0xffffffffn), at);
        break;
      case 2:
        // What it leads to: a vector's length, a table's way to its list of fields.
        out.writeUInt32LE(Number(edge(random) & 0xffffffffn), Math.min(targetOf(out, at), out.length - WORD));
        break;
      case 3:
        out.writeUInt32LE(random.below(out.length), Math.min(targetOf(out, at), out.length - WORD));
        break;
      case 4:
        out.writeUInt16LE(
          random.below(random.once(3) ? 65536 : 40),
          2 * random.below(Math.floor(out.length / 2)),
        );
        break;
      default:
        out.writeUInt32LE(random.below(64), at);
    }
  }
  return random.once(10) ? out.subarray(0, random.below(out.length)) : out;
}

/** Where the words are that can be offsets: they lead forward, to a word of the buffer. */
function offsetsIn(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + WORD <= bytes.length; at += WORD) {
    const target = targetOf(bytes, at);
    if (target > at && target + WORD <= bytes.length && found.length < 4096) found.push(at);
  }
  return found;
}

function targetOf(bytes: Buffer, at: number): number {
  return at + bytes.readUInt32LE(at);
}
