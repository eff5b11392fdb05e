import { edge, joined } from "./mutate-bytes.ts";
import type { Random } from "./random.ts";

/** Fields of an archive's records: offset behind the signature's beginning, and width. */
const fields = new Map<string, readonly (readonly [number, number])[]>([
  [
    "PK\u0003\u0004",
    [
      [6, 2],
      [8, 2],
      [14, 4],
      [18, 4],
      [22, 4],
      [26, 2],
      [28, 2],
    ],
  ],
  [
    "PK\u0001\u0002",
    [
      [8, 2],
      [10, 2],
      [16, 4],
      [20, 4],
      [24, 4],
      [28, 2],
      [30, 2],
      [32, 2],
      [34, 2],
      [42, 4],
    ],
  ],
  [
    "PK\u0005\u0006",
    [
      [4, 2],
      [8, 2],
      [10, 2],
      [12, 4],
      [16, 4],
      [20, 2],
    ],
  ],
  [
    "PK\u0006\u0006",
    [
      [4, 8],
      [24, 8],
      [32, 8],
      [40, 8],
      [48, 8],
    ],
  ],
  [
    "PK\u0006\u0007",
    [
      [8, 8],
      [16, 4],
    ],
  ],
]);

const NAME_AT = 46;

const names = ["../../evil", "/etc/passwd", "C:\\x", "constructor", "__proto__", "data.pkl", "\u0000", ""];

/** Changes sizes, offsets, methods, checksums, flags and names in an archive's records. */
export function mutateZip(bytes: Uint8Array, random: Random): Uint8Array {
  let out = Buffer.from(bytes);
  for (let n = 1 + random.below(4); n > 0; n--) {
    const [signature, places] = random.of(
      [...fields].map(([text]) => [text, placesOf(out, text)] as const),
    ) ?? ["", []];
    const at = random.of(places);
    if (at === undefined) continue;
    const [offset, width] = random.of(fields.get(signature) ?? []) ?? [0, 0];
    if (random.once(6) && signature === "PK\u0001\u0002") {
      Buffer.from(random.of(names) ?? "").copy(out, at + NAME_AT);
    } else if (random.once(12)) {
      // A record once more, or none.
      const end = at + 46 + random.below(60);
      const record = random.once(2) ? out.subarray(at, end) : new Uint8Array(0);
      out = Buffer.from(joined(out.subarray(0, at), record, record, out.subarray(end)));
    } else if (at + offset + width <= out.length) {
      const word = Buffer.alloc(8);
      word.writeBigUInt64LE(random.once(2) ? edge(random) : BigInt(random.below(2 * out.length)));
      word.copy(out, at + offset, 0, width);
    }
  }
  return out;
}

function placesOf(bytes: Buffer, signature: string): number[] {
  const found: number[] = [];
  for (
    let at = bytes.indexOf(signature, 0, "latin1");
    at >= 0;
    at = bytes.indexOf(signature, at + 1, "latin1")
  )
    found.push(at);
  return found;
}
