import { packedKinds, type PackedKind } from "../sites/site.ts";
import { recordIn } from "./json-values.ts";

/** Metadata key of the base that a compiled model was made from, or that an adapter belongs to. */
export const BASE_KEY = "tfc.base";

/**
 * What tells one base model from another, however both are exported: its sizes, and some numbers of its weights, read
 * at places that layout, packing and element type do not move. A quantized weight gives none.
 */
export interface Fingerprint {
  readonly version: 1;
  readonly layers: number;
  readonly hiddenSize: number;
  /** By weight (`embed`, `3.o_proj`), four significant digits each. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
  /**
   * The modules of Hugging Face's model that hold several projections each, with how many features come out of each:
   * `{ "qkv_proj": [96, 32, 32] }`. Left out where it is not known; no two bases are told apart by it.
   */
  readonly packed?: PackedWidths;
}

/** Output features of the projections of packed modules, in their order. */
export type PackedWidths = Readonly<Partial<Record<PackedKind, readonly number[]>>>;

/** As metadata has it. */
export function fingerprintText(fingerprint: Fingerprint): string {
  return JSON.stringify(fingerprint);
}

/** Null for text that is no fingerprint: of another version, or of another program. */
export function parseFingerprint(text: string): Fingerprint | null {
  const value = recordIn(text);
  if (value === null) return null;
  const { version, layers, hiddenSize, samples, packed } = value;
  const isFingerprint =
    version === 1 &&
    typeof layers === "number" &&
    typeof hiddenSize === "number" &&
    typeof samples === "object" &&
    samples !== null &&
    areLists(samples) &&
    (packed === undefined || (typeof packed === "object" && packed !== null && arePacked(packed)));
  return isFingerprint ? (value as unknown as Fingerprint) : null;
}

/** Whether each is a packed module with a width for each of its projections. */
function arePacked(record: object): boolean {
  return Object.entries(record).every(
    ([kind, widths]: [string, unknown]) =>
      Object.hasOwn(packedKinds, kind) &&
      Array.isArray(widths) &&
      widths.length === packedKinds[kind as PackedKind].length &&
      widths.every((width) => Number.isSafeInteger(width) && width > 0),
  );
}

function areLists(record: object): boolean {
  return Object.values(record).every(
    (list) => Array.isArray(list) && list.every((x) => typeof x === "number"),
  );
}

/** Exporters round weights to 16 bits: bfloat16 moves a number by 2⁻⁹ of it, float16 also by 2⁻²⁵. */
const [RELATIVE, ABSOLUTE] = [2 ** -7, 2 ** -20];

/** What two fingerprints of different models differ in, in words; null for those of one model. */
export function fingerprintDifference(wanted: Fingerprint, found: Fingerprint): string | null {
  if (wanted.layers !== found.layers) return `${found.layers} layers instead of ${wanted.layers}`;
  if (wanted.hiddenSize !== found.hiddenSize)
    return `a hidden size of ${found.hiddenSize} instead of ${wanted.hiddenSize}`;
  for (const [weight, numbers] of Object.entries(wanted.samples)) {
    const others = found.samples[weight];
    if (others?.length !== numbers.length) continue;
    const at = numbers.findIndex((x, i) => !isClose(x, others[i] ?? NaN));
    if (at >= 0) return `other weights: ${weight} has ${others[at]} where ${numbers[at]} was`;
  }
  return null;
}

function isClose(x: number, y: number): boolean {
  return Math.abs(x - y) <= ABSOLUTE + RELATIVE * Math.max(Math.abs(x), Math.abs(y));
}
