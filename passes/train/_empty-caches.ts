import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { integersOf, scalarOf } from "../../compiler/ops/constant.ts";
import { rankOf } from "../../compiler/ops/rank.ts";
import { WINDOWED } from "../../compiler/recognize/model/cache-windows.ts";
import { opOf } from "../../compiler/ops/table.ts";
import { dropZeros } from "./_zeros.ts";

/** A tensor of no tokens. */
export interface Empty {
  readonly value: Value;
  /** Null for rows. */
  readonly sizes: readonly (number | null)[] | null;
  /** The axis that has nothing. */
  readonly places: number;
}

/**
 * Removes caches without tokens from what reads them: what a Concat joins with nothing is its other operand, the size of
 * nothing is 0, and attention ops need no past. What reads them otherwise stays.
 */
export class EmptyCaches {
  readonly #rw: Rewriter;
  /** A vector of one element. */
  readonly #rows: Value;

  constructor(rw: Rewriter, rows: Value) {
    this.#rw = rw;
    this.#rows = rows;
  }

  fold(first: Empty): void {
    const pending = [first];
    for (let empty = pending.pop(); empty !== undefined; empty = pending.pop()) {
      for (const node of empty.value.users) pending.push(...this.#read(empty, node));
    }
  }

  /** @returns what is empty as well */
  #read(empty: Empty, node: Node): readonly Empty[] {
    const { value, sizes, places } = empty;
    const { op } = node;
    if (op === "Concat") this.#join(empty, node);
    if (op === "Shape") this.#measure(empty, node);
    // What is scattered into a cache is all that it holds then.
    if (op === "TensorScatter" && node.input(0) === value) replaceBy(this.#rw, node, [node.input(1)]);
    if (opOf(node).attention?.cache != null) this.#forget(value, node);
    if (node.inputs[0] !== value) return [];
    if (op === "Transpose") {
      const perm = node.ints("perm") ?? sizes?.map((_, i) => sizes.length - 1 - i) ?? [];
      const moved = sizes === null ? null : perm.map((axis) => sizes[axis] ?? null);
      return [{ value: node.result, sizes: moved, places: perm.indexOf(places) }];
    }
    if (op === "Cast" || op === "Identity" || (op === "Slice" && cutsAt(node, empty)))
      return [{ value: node.result, sizes, places }];
    return [];
  }

  #join({ value, sizes, places }: Empty, node: Node): void {
    const axis = node.int("axis") ?? 0;
    const rank = sizes?.length ?? rankOf(value) ?? 0;
    if ((axis < 0 ? axis + rank : axis) !== places) return;
    for (let i = node.inputs.length - 1; i >= 0 && node.inputs.length > 1; i--)
      if (node.inputs[i] === value) this.#rw.removeNodeInput(node, i);
    const [only = null] = node.inputs;
    if (node.inputs.length === 1) replaceBy(this.#rw, node, [only]);
  }

  #forget(value: Value, node: Node): void {
    const cache = opOf(node).attention?.cache;
    for (const index of [cache?.pastKey, cache?.pastValue])
      if (index !== undefined && node.input(index) === value) this.#rw.setInput(node, index, null);
    // Without a cache there is nothing to evict from.
    this.#rw.removeAttribute(node, WINDOWED);
    while (node.inputs.length > 0 && node.inputs.at(-1) === null)
      this.#rw.removeNodeInput(node, node.inputs.length - 1);
  }

  /** Sizes are numbers, but for how many rows there are. */
  #measure({ value, sizes, places }: Empty, node: Node): void {
    const rank = sizes?.length ?? rankOf(value);
    if (rank === null) return;
    const at = (index: number): number => (index < 0 ? index + rank : index);
    const [from, to] = [at(node.int("start") ?? 0), Math.min(rank, at(node.int("end") ?? rank))];
    const sizeOf = (axis: number): number | null | undefined => (axis === places ? 0 : sizes?.[axis]);
    const shape = Array.from({ length: Math.max(0, to - from) }, (_, i) => sizeOf(from + i));
    for (const reader of node.result.users) {
      const index =
        reader.op === "Gather" && reader.input(0) === node.result ? scalarOf(reader.input(1)) : null;
      if (index === null) continue;
      const size = shape.at(index);
      if (typeof size === "number") this.#number(reader, size, rankOf(reader.input(1)) ?? 0);
    }
    if (shape.includes(undefined) || node.result.uses.size === 0) return;
    const b = new Builder(this.#rw, before(node));
    const name = node.result.name ?? "sizes";
    const known = shape.every((size) => typeof size === "number");
    if (known && shape.length === 1) this.#number(node, shape[0] ?? 0, 1);
    // The number of rows is a vector already.
    else if (shape.length === 1) replaceBy(this.#rw, node, [this.#rows]);
    else
      replaceBy(this.#rw, node, [
        b.vector(
          shape.map((size) => size ?? this.#rows),
          `${name}_empty`,
        ),
      ]);
  }

  /** Makes a node's result a number. */
  #number(node: Node, size: number, rank: number): void {
    const b = new Builder(this.#rw, before(node));
    const shape = Array.from({ length: rank }, () => 1);
    const value = b.constant("int64", shape, [size], `${node.result.name ?? "size"}_${size}`);
    replaceBy(this.#rw, node, [value]);
    if (size === 0) dropZeros(this.#rw, value);
  }
}

/** Whether a Slice cuts along the axis that has nothing alone. */
function cutsAt(node: Node, { sizes, value, places }: Empty): boolean {
  const axes = node.ints("axes") ?? integersOf(node.input(3));
  const rank = sizes?.length ?? rankOf(value) ?? 0;
  return axes?.every((axis) => (axis < 0 ? axis + rank : axis) === places) === true;
}

/** A tensor of zeros, or of nothing, of sizes that are known. */
export function zerosOf(
  b: Builder,
  { value, sizes }: { readonly value: Value; readonly sizes: readonly (number | null)[] },
  rows: Value,
  dtype: Parameters<typeof tensorOf>[0],
): Value {
  const name = `${value.name ?? "cache"}_empty`;
  const shape = b.vector(
    sizes.map((size) => size ?? rows),
    `${name}_sizes`,
  );
  return b.filled(shape, dtype, 0, name);
}
