import { byteSize, isFloat } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import type { Tensor } from "../../ir/tensor.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf } from "../../ops/constant.ts";
import { rankOf } from "../../ops/rank.ts";
import { has } from "../../ops/table.ts";
import type { Extents } from "./indices.ts";
import { Polynomial } from "./polynomial.ts";
import { axisOf } from "./shapes.ts";

type Index = readonly Polynomial[];

/** Which elements along the last axis are the same in all rows: the second half as the first, each second as the one before. */
interface Repeats {
  readonly halves: boolean;
  readonly pairs: boolean;
}

/** Larger constants are not compared: tables of angles are far smaller. */
const LARGEST_BYTES = 128 << 20;

const NONE: Repeats = { halves: false, pairs: false };

/** What is known already: each layer asks for the same tables. */
const known = new WeakMap<Tensor, Repeats>();

/**
 * The first place along the last axis where a value has the same element, as tables of cosines and sines have each
 * twice, for both features that are turned together.
 *
 * @param width how many elements the last axis has
 */
export function firstAlike(value: Value, width: number, index: Index, extents: Extents): Index {
  const last = index.at(-1);
  if (last === undefined || width < 2 || width % 2 !== 0) return index;
  // The least that it can be is its constant where no term takes away from that.
  if (last.constant === null && last.largest(extents) === null) return index;
  const least = last.coefficient("");
  const half = width / 2;
  if (least >= half && repeatsOf(value).halves) return index.with(-1, last.minus(Polynomial.of(half)));
  const isSecond = least % 2 === 1 && [...last.symbols].every((symbol) => last.coefficient(symbol) % 2 === 0);
  return isSecond && repeatsOf(value).pairs ? index.with(-1, last.minus(Polynomial.ONE)) : index;
}

/** Of a constant by its numbers; of what is computed where one value is joined with itself, and of rows of either. */
function repeatsOf(value: Value): Repeats {
  const tensor = constantOf(value);
  if (tensor !== null) {
    let found = known.get(tensor);
    if (found === undefined) known.set(tensor, (found = compared(tensor)));
    return found;
  }
  const node = value.producer;
  const input = node?.input(0) ?? null;
  if (node === null || input === null) return NONE;
  const isSame = node.op === "Cos" || node.op === "Sin" || has(node, "retype");
  if (isSame || (node.op === "Gather" && isOfLast(node, input) === false)) return repeatsOf(input);
  const isTwice = node.op === "Concat" && node.inputs.length === 2 && node.input(1) === input;
  return isTwice && isOfLast(node, input) === true ? { halves: true, pairs: false } : NONE;
}

/** Whether the axis of a node is the last one of an operand; null where that is not known. */
function isOfLast(node: Node, operand: Value): boolean | null {
  const rank = rankOf(operand);
  if (rank === null) return node.int("axis") === -1 ? true : null;
  return axisOf(node, rank) === rank - 1;
}

function compared(tensor: Tensor): Repeats {
  const { dtype, shape, size, storage } = tensor;
  const isThere = storage.kind === "memory" || storage.kind === "typed" || tensor.at !== null;
  const all = byteSize(dtype, size);
  if (!isThere || !isFloat(dtype) || all === null || size === 0 || all > LARGEST_BYTES) return NONE;
  const [bytes, element, width] = [tensor.bytes(), all / size, shape.at(-1) ?? 1];
  const [row, half] = [width * element, (width / 2) * element];
  const isSame = (from: number, to: number, length: number): boolean => {
    for (let i = 0; i < length; i++) if (bytes[from + i] !== bytes[to + i]) return false;
    return true;
  };
  const every = (step: number, length: number): boolean => {
    for (let at = 0; at < all; at += step) if (!isSame(at, at + length, length)) return false;
    return true;
  };
  return { halves: every(row, half), pairs: every(2 * element, element) };
}
