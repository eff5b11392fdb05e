import type { Builder } from "../../../compiler/ir/builder.ts";
import { madeBy } from "../../../compiler/ir/entity.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { Tensor } from "../../../compiler/ir/tensor.ts";
import { tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { angleNumbers } from "../../../compiler/recognize/attention/angle-numbers.ts";
import { recognizeAngles, type RotaryAngles } from "../../../compiler/recognize/attention/rotary-angles.ts";
import type { RotaryTable } from "../../../compiler/recognize/attention/rotary-table.ts";
import type { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { encodeNumbers } from "../../../compiler/weights/convert.ts";

/** Bytes that one table may have at most: for a context that asks for more, angles are computed as before. */
export const LARGEST_TABLE = 64 << 20;

/**
 * Cosines and sines of all positions as constants, of which a run takes rows. For providers that have no kernel of `Cos`
 * and `Sin`, or one whose roundings are its own: what is taken are the numbers that the CPU computes.
 */
export class AngleTables {
  readonly #rw: Rewriter;
  readonly #graph: Graph;
  readonly #elements: Elements;
  readonly #positions: number;
  readonly #tables = new Map<string, Value>();
  readonly #places = new Map<Value, Value>();

  /** @param positions how many there are: no run has one behind these */
  constructor(rw: Rewriter, graph: Graph, elements: Elements, positions: number) {
    this.#rw = rw;
    this.#graph = graph;
    this.#elements = elements;
    this.#positions = positions;
  }

  /** The first `count` of a table's features, without an axis for one head; null where they are of no constants. */
  rows(b: Builder, table: RotaryTable, count: number): Value | null {
    if (this.#positions * count * 4 > LARGEST_TABLE) return null;
    const angles = recognizeAngles(table, count, this.#elements);
    if (angles === null) return null;
    return b.gather(this.#table(angles), this.#place(b, angles), `${table.value.name ?? "rotary"}_rows`);
  }

  #table({ of, scale, dtype, frequencies }: RotaryAngles): Value {
    const key = `${of} ${scale} ${dtype} ${frequencies.join(" ")}`;
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    const shape = [this.#positions, frequencies.length];
    const bytes = encodeNumbers(angleNumbers({ of, scale, frequencies }, this.#positions), dtype);
    const value = this.#rw.value(
      madeBy("lower-rotary", []),
      `rotary_${of.toLowerCase()}`,
      tensorType(dtype, shape),
      new Tensor(dtype, shape, { kind: "memory", bytes }),
    );
    this.#tables.set(key, this.#rw.addInitializer(this.#graph, value));
    return value;
  }

  /** Positions once for all tables, without axes that rows have not. */
  #place(b: Builder, { positions, spare }: RotaryAngles): Value {
    if (spare.length === 0) return positions;
    const known = this.#places.get(positions);
    if (known !== undefined) return known;
    const before = positions.producer?.op === "Unsqueeze" ? positions.producer.input(0) : null;
    const { shapes } = this.#elements;
    const wanted = shapes.of(positions)?.filter((_, axis) => !spare.includes(axis));
    const sizes = shapes.of(before);
    const isSame =
      sizes?.length === wanted?.length && sizes?.every((size, i) => size.key === wanted?.[i]?.key);
    const made =
      before !== null && isSame === true
        ? before
        : b.op("Squeeze", [positions, b.ints(spare)], `${positions.name ?? "positions"}_places`);
    this.#places.set(positions, made);
    return made;
  }
}
