import { before, after, Builder, END } from "../../../compiler/ir/builder.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { ExactRotary } from "../../../compiler/recognize/attention/rotary-exact.ts";
import type { RotaryTable } from "../../../compiler/recognize/attention/rotary-table.ts";
import type { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";
import type { Shapes } from "../../../compiler/recognize/symbolic/shapes.ts";
import type { AngleTables } from "./_angle-tables.ts";

/** An axis of a graph input. */
interface Axis {
  readonly value: Value;
  readonly axis: number;
}

/** The tables that `RotaryEmbedding` takes: `[batch, sequence, half of what is turned]`, each made once for all layers. */
export class RotaryTables {
  readonly #rw: Rewriter;
  readonly #graph: Graph;
  readonly #shapes: Shapes;
  readonly #angles: AngleTables | null;
  readonly #made = new Map<Value, Map<string, Value>>();

  /** @param angles takes rows of constants where it can; null where all is computed as before */
  constructor(rw: Rewriter, graph: Graph, shapes: Shapes, angles: AngleTables | null) {
    this.#rw = rw;
    this.#graph = graph;
    this.#shapes = shapes;
    this.#angles = angles;
  }

  /** Why the tables cannot be made of those that a graph has; null where they can. */
  obstacle(rotary: ExactRotary): string | null {
    const isShared = rotary.cos.isShared || rotary.sin.isShared;
    if (!isShared || this.#batchOf(rotary) !== null) return null;
    return "no input says how large the batch is that shares cosines and sines";
  }

  cos(rotary: ExactRotary): Value {
    return this.#table(rotary.cos, rotary);
  }

  sin(rotary: ExactRotary): Value {
    return this.#table(rotary.sin, rotary);
  }

  #table(table: RotaryTable, rotary: ExactRotary): Value {
    const { value, step, isShared } = table;
    const batch = isShared ? this.#batchOf(rotary) : null;
    const key = `${rotary.rotaryDim} ${step} ${batch === null ? "" : `${batch.value.name ?? ""} ${batch.axis}`}`;
    const made = this.#made.get(value) ?? new Map<string, Value>();
    this.#made.set(value, made);
    let known = made.get(key);
    if (known === undefined) made.set(key, (known = this.#make(table, rotary.rotaryDim / 2, batch)));
    return known;
  }

  #make(found: RotaryTable, count: number, batch: Axis | null): Value {
    const { value } = found;
    const { producer } = value;
    const first = this.#graph.first;
    const b = new Builder(this.#rw, producer !== null ? after(producer) : before(first ?? fail()));
    const name = value.name ?? "rotary_table";
    const table = this.#angles?.rows(b, found, count) ?? this.#cut(b, found, count);
    if (batch === null) return table;
    const rows = b.vector(
      [b.dims(batch.value, batch.axis, batch.axis + 1, `${name}_rows`), 1, 1],
      `${name}_shape`,
    );
    return b.op("Expand", [table, rows], `${name}_of_batch`);
  }

  /** Those features of a table that stand for two each, without an axis for one head. */
  #cut(b: Builder, { value, headAxis, step, width }: RotaryTable, count: number): Value {
    const name = value.name ?? "rotary_table";
    let table = value;
    if (headAxis !== null) table = b.op("Squeeze", [table, b.ints([headAxis])], `${name}_row`);
    if (width > count) {
      const end = b.ints([step === 1 ? count : END]);
      table = b.op("Slice", [table, b.ints([0]), end, b.ints([-1]), b.ints([step])], `${name}_half`);
    }
    return table;
  }

  /** Where callers say how large the batch is. */
  #batchOf({ input }: ExactRotary): Axis | null {
    const size: Polynomial | undefined = this.#shapes.of(input)?.[0];
    for (const value of this.#graph.inputs) {
      const axis = this.#shapes.of(value)?.findIndex((one) => size !== undefined && one.equals(size)) ?? -1;
      if (axis >= 0) return { value, axis };
    }
    return null;
  }
}

function fail(): never {
  throw new Error("a graph without nodes turns nothing");
}
