/** The strides, in elements, of a tensor whose elements lie one after another in row-major order. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i] ?? 1;
  }
  return strides;
}

/** Whether elements lie one after another in row-major order. A dimension of one element may have any stride. */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const wanted = rowMajorStrides(shape);
  return shape.every((d, i) => d === 1 || strides[i] === wanted[i]);
}

/**
 * Puts the elements of a view one after another in row-major order.
 *
 * @param source the bytes from the view's first element to its last
 * @param unit bytes of an element: 1, 2, 4 or 8
 * @param strides in elements
 */
export function gather(
  source: Uint8Array,
  unit: number,
  shape: readonly number[],
  strides: readonly number[],
): Uint8Array {
  // Eight bytes are two words, as one more dimension: as doubles some bits could change, and bigints are slow.
  if (unit === 8) {
    return gather(source, 4, [...shape, 2], [...strides.map((stride) => 2 * stride), 1]);
  }
  const bytes = source.byteOffset % unit === 0 ? source : source.slice();
  const count = shape.reduce((n, d) => n * d, 1);
  const [from, to] = [elements(bytes, unit), elements(new Uint8Array(count * unit), unit)];
  const [outer, width, step] = [shape.slice(0, -1), shape.at(-1) ?? 1, strides.at(-1) ?? 1];
  const index = outer.map(() => 0);
  let start = 0;
  for (let at = 0; at < count; at += width) {
    if (step === 1) to.set(from.subarray(start, start + width), at);
    else for (let i = 0; i < width; i++) to[at + i] = from[start + i * step] ?? 0;
    // On to the next row: the last index that has room grows, those behind it begin again.
    for (let d = outer.length - 1; d >= 0; d--) {
      const [i, stride] = [(index[d] ?? 0) + 1, strides[d] ?? 0];
      start += stride;
      if (i < (outer[d] ?? 0)) {
        index[d] = i;
        break;
      }
      start -= i * stride;
      index[d] = 0;
    }
  }
  return new Uint8Array(to.buffer);
}

function elements(bytes: Uint8Array, unit: number): Uint8Array | Uint16Array | Uint32Array {
  const count = Math.floor(bytes.length / unit);
  if (unit === 1) return bytes;
  return unit === 2
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, count)
    : new Uint32Array(bytes.buffer, bytes.byteOffset, count);
}
