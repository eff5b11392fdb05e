import { zeros, type Elements, type HostTensor } from "../session/tensor.ts";

/** A row of a cache, and where its tokens lie there. */
export interface Pick {
  readonly from: HostTensor;
  readonly row: number;
  readonly start: number;
  readonly length: number;
}

/** How a cache is laid out: `[outer, rows, heads, places, width]`, of which outer and heads may be several dims or none. */
interface Form {
  readonly outer: number;
  readonly rows: number;
  readonly heads: number;
  readonly places: number;
  readonly width: number;
}

/**
 * Puts rows of caches together into a new one: each row's tokens at the front of its places, or at their end, and zeros
 * everywhere else. What other rows, or rows that are gone, had there is not copied.
 *
 * @param used how many of the places, from the first, are in use; rows that are aligned at the end end there
 */
export function arranged(
  picks: readonly Pick[],
  places: number,
  align: "begin" | "end",
  used = places,
): HostTensor {
  const [first] = picks;
  if (first === undefined) throw new Error("a cache of no rows");
  const { dtype, dims } = first.from;
  const rowAxis = rowAxisOf(dims.length);
  const shape = dims.map((dim, axis) =>
    axis === rowAxis ? picks.length : axis === dims.length - 2 ? places : dim,
  );
  const to = formOf(shape);
  const data = zeros(dtype, to.outer * to.rows * to.heads * to.places * to.width);
  for (const [row, pick] of picks.entries()) {
    copyRow(pick, { data, to, row, start: align === "begin" ? 0 : used - pick.length });
  }
  return { dtype, dims: shape, data };
}

/** Puts together rows of what has one size whatever was fed. */
export function stacked(picks: readonly Pick[]): HostTensor {
  const [first] = picks;
  if (first === undefined) throw new Error("a state of no rows");
  const { dtype, dims } = first.from;
  const size = dims.slice(1).reduce((n, dim) => n * dim, 1);
  const data = zeros(dtype, picks.length * size);
  for (const [row, { from, row: at }] of picks.entries())
    set(data, part(from.data, at * size, size), row * size);
  return { dtype, dims: [picks.length, ...dims.slice(1)], data };
}

/** Rows are the first dim, or the second of five, where keys and values are one tensor. */
function rowAxisOf(rank: number): number {
  return Math.max(0, rank - 4);
}

function formOf(dims: readonly number[]): Form {
  const rowAxis = rowAxisOf(dims.length);
  const product = (some: readonly number[]): number => some.reduce((n, dim) => n * dim, 1);
  return {
    outer: product(dims.slice(0, rowAxis)),
    rows: dims[rowAxis] ?? 1,
    heads: product(dims.slice(rowAxis + 1, -2)),
    places: dims.at(-2) ?? 1,
    width: dims.at(-1) ?? 1,
  };
}

interface Target {
  readonly data: Elements;
  readonly to: Form;
  readonly row: number;
  readonly start: number;
}

function copyRow({ from, row: source, start, length }: Pick, { data, to, row, start: begin }: Target): void {
  const of = formOf(from.dims);
  for (let outer = 0; outer < to.outer; outer++) {
    for (let head = 0; head < to.heads; head++) {
      const at = ((outer * of.rows + source) * of.heads + head) * of.places + start;
      const put = ((outer * to.rows + row) * to.heads + head) * to.places + begin;
      set(data, part(from.data, at * to.width, length * to.width), put * to.width);
    }
  }
}

function part(data: Elements, at: number, length: number): Elements {
  return Array.isArray(data) ? data.slice(at, at + length) : data.subarray(at, at + length);
}

function set(data: Elements, values: Elements, at: number): void {
  // Both are of one type: that of the cache.
  if (!Array.isArray(data) && !Array.isArray(values)) data.set(values as never, at);
}
