/** What a table of cosines or sines is of. */
export interface AngleForm {
  readonly of: "Cos" | "Sin";
  /** What each is multiplied by. */
  readonly scale: number;
  readonly frequencies: readonly number[];
}

/**
 * `scale · cos(position · frequency)`, or sines, of positions from 0 on: `[positions, frequencies]` in one row. Rounded to
 * float where graphs round: the angle, what is made of it, and the product.
 */
export function angleNumbers({ of, scale, frequencies }: AngleForm, positions: number): Float32Array {
  const table = new Float32Array(positions * frequencies.length);
  const make = of === "Cos" ? Math.cos : Math.sin;
  table.forEach((_, at) => {
    const position = Math.floor(at / frequencies.length);
    const angle = Math.fround(position * Math.fround(frequencies[at % frequencies.length] ?? 0));
    table[at] = Math.fround(make(angle)) * scale;
  });
  return table;
}
