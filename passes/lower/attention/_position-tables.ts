import { byteSize, type DType } from "../../../compiler/ir/dtype.ts";
import { madeBy } from "../../../compiler/ir/entity.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { Tensor } from "../../../compiler/ir/tensor.ts";
import { tensorType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { angleNumbers } from "../../../compiler/recognize/attention/angle-numbers.ts";
import {
  isSameTable,
  type PositionTable,
  type RowSource,
} from "../../../compiler/recognize/attention/rotary-counted.ts";
import { encodeNumbers, floatsOf } from "../../../compiler/weights/convert.ts";
import { LARGEST_TABLE } from "./_angle-tables.ts";

/** Why a table of so many positions is not written as a constant; null where it is. */
export function tableObstacle({ count, dtype, source }: PositionTable, positions: number): string | null {
  const [bytes, most] = [positions * count * sizeOf(dtype), LARGEST_TABLE];
  if (bytes > most)
    return `its table of ${positions} positions would have ${Math.ceil(bytes / 2 ** 20)} MiB, more than ${most / 2 ** 20}`;
  if (source.kind === "angles") return null;
  const [rows = 0] = source.tensor.shape;
  return rows < positions ? `its table has ${rows} positions of ${positions}` : null;
}

function sizeOf(dtype: DType): number {
  return byteSize(dtype, 1) ?? 4;
}

/** Tables of cosines and sines as constants of a graph, `[positions, features]`: each once for all layers. */
export class PositionConstants {
  readonly #rw: Rewriter;
  readonly #graph: Graph;
  readonly #positions: number;
  readonly #made: { readonly table: PositionTable; readonly value: Value }[] = [];

  /** @param positions how many there are: no run has one behind these */
  constructor(rw: Rewriter, graph: Graph, positions: number) {
    this.#rw = rw;
    this.#graph = graph;
    this.#positions = positions;
  }

  /** @param name for what it holds: `cos` */
  of(table: PositionTable, name: string): Value {
    const known = this.#made.find((one) => isSameTable(one.table, table));
    if (known !== undefined) return known.value;
    const value = this.#make(table, name);
    this.#made.push({ table, value });
    return value;
  }

  #make({ dtype, scale, count, source }: PositionTable, name: string): Value {
    const shape = [this.#positions, count];
    const table =
      source.kind === "angles"
        ? angleNumbers({ ...source, scale }, this.#positions)
        : rowNumbers(source, scale, this.#positions);
    const tensor = new Tensor(dtype, shape, { kind: "memory", bytes: encodeNumbers(table, dtype) });
    const value = this.#rw.value(
      madeBy("lower-attention", []),
      `rotary_${name}`,
      tensorType(dtype, shape),
      tensor,
    );
    return this.#rw.addInitializer(this.#graph, value);
  }
}

function rowNumbers({ tensor, columns }: RowSource, scale: number, positions: number): Float32Array {
  const all = floatsOf(tensor.bytes(), tensor.dtype);
  const [, width = 0] = tensor.shape;
  return Float32Array.from({ length: positions * columns.length }, (_, at) => {
    const row = Math.floor(at / columns.length);
    return (all[row * width + (columns[at % columns.length] ?? 0)] ?? 0) * scale;
  });
}
