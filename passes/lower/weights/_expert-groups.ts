import { attribute } from "../../../compiler/ir/attribute.ts";
import { before, Builder } from "../../../compiler/ir/builder.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { RowProduct, StackProduct } from "./_expert-products.ts";

/** Rows in the order of their experts. */
interface Order {
  /** The row at each place, `[N]`. */
  readonly order: Value;
  /** The place of each row, `[N]`. */
  readonly places: Value;
  /** How many rows each expert has, `[experts]`. */
  readonly counts: Value;
}

/** Writes products of rows with the weights of their experts, expert by expert. */
export class ExpertGroups {
  readonly #rw: Rewriter;
  /** By what chooses, and of how many. */
  readonly #orders = new Map<Value, Map<number, Order>>();

  constructor(rw: Rewriter) {
    this.#rw = rw;
  }

  /** Writes what a product computes in front of it. */
  write(product: Node, { stack, experts, chosen, side, rows }: RowProduct): Value {
    const b = new Builder(this.#rw, before(product), { namesNodes: false });
    const { order, places, counts } = this.#orderOf(b, chosen, experts);
    const base = product.output(0)?.name ?? "product";
    const axes = b.ints([side === "left" ? 2 : 1]);
    const flat = b.op("Squeeze", [rows, axes], `${base}_rows`); // [N, in]
    const sorted = b.gather(flat, order, `${base}_rows_by_expert`);
    const parts = split(b, sorted, counts, experts, `${base}_rows_of`);
    const together = b.concat(products(b, parts, { stack, side }, base), 0, `${base}_by_expert`);
    const own = b.gather(together, places, `${base}_of_rows`); // [N, out]
    return b.op("Unsqueeze", [own, axes], `${base}_grouped`);
  }

  #orderOf(b: Builder, chosen: Value, experts: number): Order {
    const known = this.#orders.get(chosen) ?? new Map<number, Order>();
    this.#orders.set(chosen, known);
    const found = known.get(experts);
    if (found !== undefined) return found;
    const made = orderOf(b, chosen, experts);
    known.set(experts, made);
    return made;
  }
}

function orderOf(b: Builder, chosen: Value, experts: number): Order {
  const name = chosen.name ?? "chosen";
  const flat = b.reshape(b.cast(chosen, "int64", `${name}_numbers`), [-1], `${name}_experts`);
  const all = b.op("Shape", [flat], `${name}_count`);
  const upwards = { largest: attribute.int(0), sorted: attribute.int(1) };
  const sorted = b.node("TopK", [flat, all], [`${name}_sorted`, `${name}_order`], upwards);
  const order = sorted.output(1) ?? flat;
  const numbers = b.range(all, `${name}_rows`);
  // Every place is written, whatever was there.
  const places = b.op("ScatterElements", [order, order, numbers], `${name}_places`);
  const each = b.ints(Array.from({ length: experts }, (_, i) => i));
  const isOf = b.op("Equal", [b.unsqueeze(flat, [1], `${name}_column`), each], `${name}_is_of`);
  const axis = b.ints([0]);
  const counts = b.op("ReduceSum", [b.cast(isOf, "int64", `${name}_of`), axis], `${name}_counts`, {
    keepdims: attribute.int(0),
  });
  return { order, places, counts };
}

/** A product with the weights of all experts as one for each, written in front of it. */
export function divided(rw: Rewriter, product: Node, { stack, experts, rows, side }: StackProduct): Value {
  const b = new Builder(rw, before(product), { namesNodes: false });
  const base = product.output(0)?.name ?? "product";
  const own = side === "right" ? rows : b.transpose(rows, [0, 2, 1], `${base}_rows`);
  const parts = split(b, own, b.ints(Array<number>(experts).fill(1)), experts, `${base}_rows_of`); // [1, rows, in]
  const together = b.concat(products(b, parts, { stack, side }, base), 0, `${base}_of_all`); // [experts, rows, out]
  return side === "right" ? together : b.transpose(together, [0, 2, 1], `${base}_divided`);
}

/** Products of each expert's rows with its matrix of the stack. */
function products(
  b: Builder,
  parts: readonly Value[],
  { stack, side }: Pick<StackProduct, "stack" | "side">,
  base: string,
): readonly Value[] {
  const ones = b.ints(Array<number>(parts.length).fill(1));
  const matrices = split(b, stack, ones, parts.length, `${base}_weights_of`).map((matrix, i) =>
    b.op("Squeeze", [matrix, b.ints([0])], `${base}_weight_of_${i}`),
  );
  return parts.map((part, i) => {
    const matrix = matrices[i] ?? stack;
    const turned =
      side === "left" ? b.transpose(matrix, [1, 0], `${base}_weight_of_${i}_transposed`) : matrix;
    return b.op("MatMul", [part, turned], `${base}_of_${i}`);
  });
}

function split(b: Builder, value: Value, sizes: Value, count: number, name: string): readonly Value[] {
  const names = Array.from({ length: count }, (_, i) => `${name}_${i}`);
  return b.node("Split", [value, sizes], names, { axis: attribute.int(0) }).outputs;
}
