import { siteOf } from "../sites/site.ts";
import type { Node } from "../ir/node.ts";
import { asTensor } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { constantOf } from "./constant.ts";
import { has, opOf } from "./table.ts";

/** A rank that only a longer chain of ops would tell counts as unknown. */
const FURTHEST = 64;

/** The number of dimensions of a value, as its type declares it or as the ops before it make it; null when neither tells. */
export function rankOf(value: Value | null): number | null {
  return new Search().rank(value, 0);
}

/** Whether a value provably has as many dimensions as one that it is computed from, whatever that has. */
export function keepsRank(value: Value, of: Value): boolean {
  const [rank, wanted] = [rankOf(value), rankOf(of)];
  if (rank !== null && wanted !== null) return rank === wanted;
  return [2, 3].every((assumed) => new Search([[of, assumed]]).rank(value, 0) === assumed);
}

/** One search, in which each value is looked at once: it may be read many times on the way. */
class Search {
  readonly #known: Map<Value, number | null>;

  constructor(assumed: readonly (readonly [Value, number])[] = []) {
    this.#known = new Map(assumed);
  }

  rank(value: Value | null, depth: number): number | null {
    if (value === null || depth > FURTHEST) return null;
    let rank = this.#known.get(value);
    if (rank === undefined) this.#known.set(value, (rank = this.#find(value, depth)));
    return rank;
  }

  #find(value: Value, depth: number): number | null {
    const declared = asTensor(value.type)?.shape?.length ?? constantOf(value)?.shape.length;
    const node = value.producer;
    if (declared !== undefined || node === null) return declared ?? null;
    const of = (index: number): number | null => this.rank(node.input(index), depth + 1);
    const { rank, traits } = opOf(node);
    if (rank === "first" || isBlock(value)) return of(0);
    if (rank === "most") return most(node.inputs.map((_, i) => of(i)));
    if (traits.has("shape")) return node.op === "Size" ? 0 : 1;
    if (traits.has("reduce")) return (node.int("keepdims") ?? 1) === 1 ? of(0) : less(of(0), axesOf(node));
    switch (node.op) {
      case "Unsqueeze":
        return sum([of(0), axesOf(node)]);
      case "Squeeze":
        return less(of(0), axesOf(node));
      case "Gather": {
        // The gathered axis gives way to those of the indices.
        const [data, indices] = [of(0), of(1)];
        return data === null || indices === null ? null : data + indices - 1;
      }
      case "Gemm":
      case "NonZero":
        return 2;
      case "Reshape":
        return this.#length(node.input(1), depth);
      case "MatMul":
        return productRank(of(0), of(1));
      case "Expand":
        return most([of(0), this.#length(node.input(1), depth)]);
      default:
        return null;
    }
  }

  /**
   * How many dimensions a shape operand asks for: the length of a constant or of another value's Shape, of a Concat of
   * such and of single dimensions, and of what computes on one element by element.
   */
  #length(shape: Value | null, depth: number): number | null {
    if (shape === null || depth > FURTHEST) return null;
    const length = constantOf(shape)?.size ?? asTensor(shape.type)?.shape?.[0];
    const node = shape.producer;
    if (typeof length === "number" || node === null) return typeof length === "number" ? length : null;
    const of = (index: number): number | null => this.#length(node.input(index), depth + 1);
    if (has(node, "retype") || node.op === "Identity" || node.op === "Abs") return of(0);
    switch (node.op) {
      case "Shape":
        return cutLength(node, this.rank(node.input(0), depth + 1));
      case "Unsqueeze":
        return this.rank(node.input(0), depth + 1) === 0 ? 1 : null;
      case "Concat":
        return sum(node.inputs.map((_, i) => of(i)));
      case "Where":
        return of(1);
      default:
        return null;
    }
  }
}

/** How many axes a node names, as an attribute or an operand; null where it names none, or an operand is computed. */
function axesOf(node: Node): number | null {
  return node.ints("axes")?.length ?? constantOf(node.input(1))?.size ?? null;
}

/** How many dimensions a Shape gives of so many: those from `start` on, as far as `end`, both counted from the end below 0. */
function cutLength(node: Node, rank: number | null): number | null {
  if (rank === null) return null;
  const at = (index: number): number => Math.min(Math.max(index < 0 ? index + rank : index, 0), rank);
  return Math.max(at(node.int("end") ?? rank) - at(node.int("start") ?? 0), 0);
}

/** What is left of a rank without some axes; null of what names none, which may mean all. */
function less(rank: number | null, axes: number | null): number | null {
  return rank === null || axes === null || axes === 0 ? null : rank - axes;
}

function sum(lengths: readonly (number | null)[]): number | null {
  return lengths.reduce<number | null>((all, n) => (all === null || n === null ? null : all + n), 0);
}

/** The largest of some ranks; null where one is not known. */
function most(ranks: readonly (number | null)[]): number | null {
  const known = ranks.filter((rank) => rank !== null);
  return known.length < ranks.length || known.length === 0 ? null : Math.max(...known);
}

/** Whether a value is what a block makes that was outlined before, in the axes of its input. */
function isBlock(value: Value): boolean {
  const site = value.producer === null ? null : siteOf(value.producer);
  return site !== null && site.output === value && !site.reshapes;
}

/** A vector operand of a product loses its dimension: vector by vector is a scalar. */
function productRank(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return null;
  if (a >= 2 && b >= 2) return Math.max(a, b);
  return a === 1 && b === 1 ? 0 : Math.max(a, b) - 1;
}
