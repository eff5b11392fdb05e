import type { DescribedDim, GraphDescription } from "./description.ts";
import { families, runsOf, type Family } from "./numbered.ts";
import { quoted, templated, type Layout } from "./layout.ts";

/** Sets of numbers that names are written with, under the names of their types: layers, and parts of them. */
export class NumberTypes {
  readonly #names = new Map<string, string>();
  readonly #sets = new Map<string, readonly number[]>();
  #others = 0;

  constructor(layers: readonly number[]) {
    this.#names.set(layers.join(), "LayerIndex");
    this.#sets.set("LayerIndex", layers);
  }

  /** Types and their numbers, in the order in which they were asked for. */
  get sets(): ReadonlyMap<string, readonly number[]> {
    return this.#sets;
  }

  typeOf(numbers: readonly number[]): string {
    const known = this.#names.get(numbers.join());
    if (known !== undefined) return known;
    const [run, ...more] = runsOf(numbers);
    const isRun = run !== undefined && more.length === 0;
    const name = isRun ? `From${run[0]}To${run[1]}` : `Numbers${++this.#others}`;
    this.#names.set(numbers.join(), name);
    this.#sets.set(name, numbers);
    return name;
  }
}

/** The type of the names of a family: a literal, or a template with the type of its numbers. */
export function nameType<T>(
  { around, numbers, first }: Family<T>,
  name: (item: T) => string,
  types: NumberTypes,
) {
  if (around === null) return quoted(name(first));
  const [before, behind] = around.map(templated);
  return `\`${before}\${${types.typeOf(numbers)}}${behind}\``;
}

/** The members of a union of names. */
export function nameTypes(names: readonly string[], types: NumberTypes): readonly Layout[] {
  const identity = (name: string): string => name;
  return families(names, identity, () => "").map((family) => nameType(family, identity, types));
}

/** Dimensions as comments have them: `[batch_size, 2, past_sequence_length, 32]`; nothing where the rank is not known. */
export function dimsText(dims: readonly DescribedDim[] | null): string {
  if (dims === null) return "";
  return `[${dims.map((dim) => (dim === "" ? "?" : String(dim))).join(", ")}]`;
}

/** Indices of the layers, in order. */
export function layerNumbers({ layers }: GraphDescription): readonly number[] {
  return [...new Set(layers.map(({ index }) => index))].sort((a, b) => a - b);
}
