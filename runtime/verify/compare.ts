import { fromHalf } from "../../compiler/weights/half.ts";
import { isFloating, type HostTensor } from "../session/tensor.ts";

/** How one output of two graphs differs. */
export interface Difference {
  /** every element is equal; NaN equals NaN */
  readonly exact: boolean;
  /** every element is within the tolerance */
  readonly same: boolean;
  /** largest |want - got|; null when that is no number: other dims, NaN or infinity on one side only, 64-bit integers */
  readonly maxAbs: number | null;
  /** largest |want - got| / max(|want|, |got|); null as `maxAbs` is */
  readonly maxRel: number | null;
  /** the worst element, or what is wrong with the dims, in words; null when exact */
  readonly detail: string | null;
}

const equal: Difference = { exact: true, same: true, maxAbs: 0, maxRel: 0, detail: null };

/**
 * Compares two tensors element by element. Floats are the same when |want - got| <= tolerance + tolerance * |want|;
 * integers, booleans and strings only when they are equal.
 */
export function compare(want: HostTensor, got: HostTensor, tolerance: number): Difference {
  const shapes = [want, got].map(({ dtype, dims }) => `${dtype}[${dims.join(",")}]`);
  if (shapes[0] !== shapes[1]) return unlike(`${shapes[1] ?? ""} instead of ${shapes[0] ?? ""}`);
  if (want.dtype === "string" || typeof want.data[0] === "bigint") return compareEach(want, got);
  return compareNumbers(want, got, isFloating(want.dtype) ? tolerance : 0);
}

function unlike(detail: string): Difference {
  return { exact: false, same: false, maxAbs: null, maxRel: null, detail };
}

/** Strings, and 64-bit integers, which are no JavaScript numbers: equal, or not. */
function compareEach(want: HostTensor, got: HostTensor): Difference {
  for (let i = 0; i < want.data.length; i++) {
    if (want.data[i] !== got.data[i]) return unlike(elementText(want, got, i));
  }
  return equal;
}

function compareNumbers(want: HostTensor, got: HostTensor, tolerance: number): Difference {
  const [wanted, found] = [reader(want), reader(got)];
  let [maxAbs, maxRel, worst, worstExcess] = [0, 0, -1, -Infinity];
  for (let i = 0; i < want.data.length; i++) {
    const [a, b] = [wanted(i), found(i)];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const abs = Math.abs(a - b);
    if (!Number.isFinite(abs)) return unlike(elementText(want, got, i));
    maxAbs = Math.max(maxAbs, abs);
    maxRel = Math.max(maxRel, abs / Math.max(Math.abs(a), Math.abs(b)));
    const excess = abs - (tolerance + tolerance * Math.abs(a));
    if (excess > worstExcess) [worst, worstExcess] = [i, excess];
  }
  if (worst < 0) return equal;
  return { exact: false, same: worstExcess <= 0, maxAbs, maxRel, detail: elementText(want, got, worst) };
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
