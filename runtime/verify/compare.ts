import { fromHalf } from "../../compiler/weights/half.ts";
import { isFloating, type HostTensor } from "../session/tensor.ts";

/**
 * What two outputs agree by: `absolute`: every element within the tolerance; `relative`: within that and as much of the
 * element; `ulps` and `share`: within last places of a float16, or a share, of the largest element.
 */
export type Agreement = "absolute" | "relative" | "ulps" | "share";

/** How one output of two graphs differs. */
export interface Difference {
  /** every element is equal; NaN equals NaN */
  readonly exact: boolean;
  /** every element is within the tolerance */
  readonly same: boolean;
  /** what the elements are within; null where they are not, or equal */
  readonly by: Agreement | null;
  /** largest |want - got|; null when that is no number: other dims, NaN or infinity on one side only, 64-bit integers */
  readonly maxAbs: number | null;
  /** largest |want - got| / max(|want|, |got|); null as `maxAbs` is */
  readonly maxRel: number | null;
  /** the worst element, or what is wrong with the dims, in words; null when exact */
  readonly detail: string | null;
}

const equal: Difference = { exact: true, same: true, by: null, maxAbs: 0, maxRel: 0, detail: null };

/**
 * Compares two tensors element by element. Floats are the same when |want - got| <= tolerance + tolerance * |want|, or
 * no more than `halfUlps` units in the last place of a float16 apart, of the tensor's largest element: what a sum is
 * rounded by goes with its largest term. Integers, booleans and strings are the same only when they are equal.
 *
 * @param halfUlps 0 but for what was computed in half precision
 * @param share of the largest element that two may be apart; 0 but for what was added up in another order
 */
export function compare(
  want: HostTensor,
  got: HostTensor,
  tolerance: number,
  halfUlps = 0,
  share = 0,
): Difference {
  const shapes = [want, got].map(({ dtype, dims }) => `${dtype}[${dims.join(",")}]`);
  if (shapes[0] !== shapes[1]) return unlike(`${shapes[1] ?? ""} instead of ${shapes[0] ?? ""}`);
  if (want.dtype === "string" || typeof want.data[0] === "bigint") return compareEach(want, got);
  if (!isFloating(want.dtype)) return compareNumbers(want, got, 0, { of: 0, by: "share" });
  const largest = halfUlps === 0 && share === 0 ? 0 : largestOf(want);
  const ulps = halfUlps === 0 ? 0 : halfUlps * halfUlp(largest);
  const least =
    ulps > share * largest
      ? ({ of: ulps, by: "ulps" } as const)
      : ({ of: share * largest, by: "share" } as const);
  return compareNumbers(want, got, tolerance, least);
}

function unlike(detail: string): Difference {
  return { exact: false, same: false, by: null, maxAbs: null, maxRel: null, detail };
}

/** Strings, and 64-bit integers, which are no JavaScript numbers: equal, or not. */
function compareEach(want: HostTensor, got: HostTensor): Difference {
  for (let i = 0; i < want.data.length; i++) {
    if (want.data[i] !== got.data[i]) return unlike(elementText(want, got, i));
  }
  return equal;
}

/** The last place of a float16 of this magnitude: ten bits below the first. */
function halfUlp(magnitude: number): number {
  return 2 ** Math.max(-24, Math.floor(Math.log2(magnitude)) - 10);
}

/** The largest finite magnitude. */
export function largestOf(tensor: HostTensor): number {
  const at = reader(tensor);
  let largest = 0;
  for (let i = 0; i < tensor.data.length; i++) {
    const magnitude = Math.abs(at(i));
    if (magnitude > largest && Number.isFinite(magnitude)) largest = magnitude;
  }
  return largest;
}

/** What is allowed whatever an element's size, and by which rule. */
interface Least {
  readonly of: number;
  readonly by: "ulps" | "share";
}

function compareNumbers(want: HostTensor, got: HostTensor, tolerance: number, least: Least): Difference {
  const [wanted, found] = [reader(want), reader(got)];
  let [maxAbs, maxRel, worst, worstExcess, isRelative] = [0, 0, -1, -Infinity, true];
  for (let i = 0; i < want.data.length; i++) {
    const [a, b] = [wanted(i), found(i)];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const abs = Math.abs(a - b);
    if (!Number.isFinite(abs)) return unlike(elementText(want, got, i));
    maxAbs = Math.max(maxAbs, abs);
    maxRel = Math.max(maxRel, abs / Math.max(Math.abs(a), Math.abs(b)));
    const allowed = tolerance + tolerance * Math.abs(a);
    if (abs > allowed) isRelative = false;
    const excess = abs - Math.max(least.of, allowed);
    if (excess > worstExcess) [worst, worstExcess] = [i, excess];
  }
  if (worst < 0) return equal;
  const same = worstExcess <= 0;
  const by = maxAbs <= tolerance ? "absolute" : isRelative ? "relative" : least.by;
  return { exact: false, same, by: same ? by : null, maxAbs, maxRel, detail: elementText(want, got, worst) };
}

/** An element as a number. */
function reader({ dtype, data }: HostTensor): (index: number) => number {
  return dtype === "float16" ? (i) => fromHalf(Number(data[i])) : (i) => Number(data[i]);
}

/** `[0,3,17]: 1.25 instead of 1.5` */
function elementText(want: HostTensor, got: HostTensor, index: number): string {
  const text = (tensor: HostTensor): string =>
    tensor.dtype === "string" ? JSON.stringify(tensor.data[index]) : String(numberAt(tensor, index));
  return `[${indices(want.dims, index).join(",")}]: ${text(got)} instead of ${text(want)}`;
}

function numberAt(tensor: HostTensor, index: number): number | bigint {
  const value = tensor.data[index];
  return typeof value === "bigint" ? value : reader(tensor)(index);
}

/** The index along each axis of a flat index. */
function indices(dims: readonly number[], index: number): number[] {
  let rest = index;
  return dims
    .toReversed()
    .map((dim) => {
      const at = rest % dim;
      rest = Math.floor(rest / dim);
      return at;
    })
    .reverse();
}
