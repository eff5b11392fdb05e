import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { has } from "../../ops/table.ts";
import { Polynomial } from "../symbolic/polynomial.ts";
import type { Elements } from "../symbolic/elements.ts";
import type { Inexact } from "./exact.ts";
import { featureIndex, PositionTables, type PositionTable } from "./rotary-counted.ts";
import type { ExactRotary, RotaryProver } from "./rotary-exact.ts";
import type { RotaryTable } from "./rotary-table.ts";
import type { HeadRows } from "./rows.ts";

/** The index of a token of a row: what {@link LastRotary.cos} and its sines are functions of. */
export const [ROW, TOKEN] = [Polynomial.symbol("@row"), Polynomial.symbol("@token")];

/** A rotary embedding that is the last thing done to heads before the attention. */
export interface LastRotary {
  /** What is turned. */
  readonly input: Value;
  /** How it lies: `[rows, heads, tokens, width]`, `[rows, tokens, heads · width]` or `[rows, tokens, heads, width]`. */
  readonly layout: "heads" | "rows" | "heads behind";
  /** How many of each head's first features are turned. */
  readonly rotaryDim: number;
  readonly interleaved: boolean;
  readonly cos: PositionTable;
  readonly sin: PositionTable;
}

/** What heads are turned by, as far as it was found. */
type Turned = Omit<LastRotary, "cos" | "sin"> & {
  readonly tables: readonly [cos: PositionTable | Inexact, sin: PositionTable | Inexact];
};

/** Finds what turns heads last: one op that `lower-rotary` wrote, or, with a prover, plain ops that it would write so. */
export class LastRotaries {
  readonly #elements: Elements;
  readonly #rows: HeadRows;
  readonly #prover: RotaryProver | null;
  readonly #tables: PositionTables;

  /** @param prover null where plain ops are looked no further into */
  constructor(elements: Elements, rows: HeadRows, prover: RotaryProver | null) {
    this.#elements = elements;
    this.#rows = rows;
    this.#prover = prover;
    this.#tables = new PositionTables(elements);
  }

  /**
   * @param heads `[rows, heads, tokens, width]`
   * @returns null where nothing turns them last
   */
  of(heads: Value): LastRotary | Inexact | null {
    const turned =
      this.#op(heads, "heads") ?? this.#op(this.#rows.above(heads), "rows") ?? this.#plain(heads);
    if (turned === null) return null;
    const { tables, ...rest } = turned;
    const [cos, sin] = tables;
    if ("why" in cos) return cos;
    if ("why" in sin) return sin;
    return { ...rest, cos, sin };
  }

  /** Of three axes the op is told how many heads there are; of four the second is theirs. */
  #op(value: Value | null, layout: "heads" | "rows"): Turned | null {
    const node = value?.producer;
    const input = node?.input(0) ?? null;
    if (node?.op !== "RotaryEmbedding" || input === null) return null;
    if (node.attributes.has("num_heads") !== (layout === "rows")) return null;
    const [cos, sin, positions] = [node.input(1), node.input(2), node.input(3)];
    const width = this.#elements.shapes.of(cos)?.at(-1)?.constant ?? null;
    if (cos === null || sin === null || width === null || positions !== null) return null;
    const index = (table: Value): readonly Polynomial[] =>
      this.#indexIn(table, [0, 1], featureIndex(width, 1));
    return {
      ...{ input, layout, rotaryDim: 2 * width, interleaved: node.int("interleaved") === 1 },
      tables: [this.#tables.read(cos, index(cos), width), this.#tables.read(sin, index(sin), width)],
    };
  }

  #plain(heads: Value): Turned | null {
    const { producer } = heads;
    const turned =
      producer?.op === "Transpose" && producer.ints("perm")?.join() === "0,2,1,3" ? producer.input(0) : null;
    const prover = this.#prover;
    // What ends it may be viewed as heads.
    let at = turned ?? heads;
    for (let steps = 0; prover !== null && steps < MOST_VIEWS; steps++) {
      const node = at.producer;
      const found = node === null ? null : proved(prover, node);
      if (found !== null) {
        const { input, output, rotaryDim, headAxis, interleaved } = found;
        if (output !== (headAxis === 1 ? heads : turned)) return null;
        const read = (table: RotaryTable): PositionTable | Inexact => this.#ofTable(table, rotaryDim / 2);
        const layout = headAxis === 1 ? "heads" : "heads behind";
        return { input, layout, rotaryDim, interleaved, tables: [read(found.cos), read(found.sin)] };
      }
      const above = node !== null && has(node, "reshape") ? node.input(0) : null;
      if (above === null) return null;
      at = above;
    }
    return null;
  }

  /** Batch and sequence stand where the heads of what is turned do not. */
  #ofTable({ value, headAxis, step }: RotaryTable, count: number): PositionTable | Inexact {
    const rank = this.#elements.shapes.of(value)?.length ?? 0;
    const axes = { 2: [null, 0], 3: [0, 1], 4: [0, headAxis === 1 ? 2 : 1] }[rank] ?? [null, null];
    const index = this.#indexIn(value, axes, featureIndex(count, step));
    return this.#tables.read(value, index, count);
  }

  #indexIn(
    value: Value,
    [row, token]: readonly (number | null | undefined)[],
    feature: Polynomial,
  ): readonly Polynomial[] {
    const sizes = this.#elements.shapes.of(value) ?? [];
    return sizes.map((size, axis) => {
      if (axis === sizes.length - 1) return feature;
      if (size.constant === 1) return Polynomial.ZERO;
      return axis === row ? ROW : axis === token ? TOKEN : Polynomial.ZERO;
    });
  }
}

/** What a node ends; where it joins turned features with others, what the one before it ends. */
function proved(prover: RotaryProver, node: Node): ExactRotary | null {
  const joined = node.op === "Concat" ? (node.input(0)?.producer ?? null) : null;
  for (const one of [node, joined]) {
    const found = one?.op === "Add" || one?.op === "Concat" ? prover.prove(one) : null;
    if (found !== null && !("why" in found)) return found;
  }
  return null;
}

/** No exporter puts more views behind a rotary embedding. */
const MOST_VIEWS = 4;
