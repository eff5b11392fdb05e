import { Polynomial } from "./polynomial.ts";

/** How a Slice cuts one axis. */
export interface Cut {
  readonly axis: number;
  readonly start: Polynomial;
  readonly end: Polynomial;
  readonly step: number;
}

/** Where a cut begins, counted from the front. */
export function beginOf({ start }: Cut, size: Polynomial): Polynomial {
  const { constant } = start;
  // A size that is counted from behind: sizes of symbols are taken to be within others, as the exporter had them.
  if (constant === null) return isNegative(start) ? size.plus(start) : start;
  if (constant >= 0) return start;
  // From far in front of the first element means from that.
  const begin = size.plus(start);
  return constant <= -(2 ** 31) || (begin.constant ?? 0) < 0 ? Polynomial.ZERO : begin;
}

/** Whether a bound is counted from behind. */
function isNegative(bound: Polynomial): boolean {
  return bound.constant === null ? Polynomial.ONE.minus(bound).sign === 1 : bound.constant < 0;
}

/** How many elements a cut leaves of an axis; null where that cannot be said. */
export function sizeOfCut(cut: Cut, size: Polynomial): Polynomial | null {
  const { end, step } = cut;
  const begin = beginOf(cut, size);
  const isOpen = end.constant !== null && end.constant >= 2 ** 31 - 1;
  const stop = isOpen ? size : isNegative(end) ? size.plus(end) : end;
  if (step === 1) {
    // Numbers are cut off at the size; that of a symbol is taken to be within it, as the exporter had it.
    const [from, to, all] = [begin.constant, stop.constant, size.constant];
    if (from !== null && to !== null && all !== null)
      return Polynomial.of(Math.max(0, Math.min(to, all) - from));
    return stop.minus(begin);
  }
  const length = stop.minus(begin).constant;
  return length === null || step < 1 ? null : Polynomial.of(Math.ceil(length / step));
}
