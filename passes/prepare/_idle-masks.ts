import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, takeOver } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { integersOf, scalarOf } from "../../compiler/ops/constant.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import { has } from "../../compiler/ops/table.ts";
import type { Elements } from "../../compiler/recognize/symbolic/elements.ts";
import type { Expression } from "../../compiler/recognize/symbolic/expression.ts";
import { Polynomial } from "../../compiler/recognize/symbolic/polynomial.ts";

/** What is done for tokens that a mask hides. */
export interface MaskReading {
  /** Masks `[1, tokens]`, and the ones that are read in their place. */
  readonly ones: ReadonlyMap<Value, Value>;
  readonly elements: Elements;
  /** How many tokens came before, in each way that the graph may have it. */
  readonly pasts: readonly Polynomial[];
  /** Whether the number of tokens is wanted where the mask is, and not read off its shape, which is on the CPU. */
  readonly countsOnDevice: boolean;
}

/**
 * Takes away what nothing comes of where no token is hidden: products with the mask itself, zeros for queries that see
 * nothing, and sums of the mask, which are its width.
 */
export class IdleMasks {
  readonly #rw: Rewriter;
  readonly #reading: MaskReading;

  constructor(rw: Rewriter, reading: MaskReading) {
    this.#rw = rw;
    this.#reading = reading;
  }

  drop(graph: Graph): void {
    for (const node of [...graph.nodes]) {
      const made = node.graph === null || node.domain !== "" ? null : this.#madeOf(node);
      if (made === null) continue;
      const { result: old } = node;
      takeOver(this.#rw, old, made);
      dropIfUnread(this.#rw, [old]);
    }
  }

  /** What a node's result is; null where that has to be computed. */
  #madeOf(node: Node): Value | null {
    switch (node.op) {
      case "Mul":
        return this.#factor(node);
      case "And":
        return this.#left(node, (one) => this.#isTruth(one, true));
      case "Add":
        return this.#left(node, (one) => this.#isZero(one));
      case "Where":
        return this.#chosen(node) ?? this.#guarded(node);
      case "ReduceSum":
        return this.#reading.countsOnDevice ? null : this.#width(node);
      default:
        return null;
    }
  }

  /** What is multiplied by ones, and is as large as the product. */
  #factor(node: Node): Value | null {
    return this.#left(node, (one) => this.#maskOf(one, isLaidOut) !== null);
  }

  /** What a condition chooses that is the same everywhere. */
  #chosen(node: Node): Value | null {
    const [condition, then, otherwise] = [0, 1, 2].map((i) => node.input(i));
    if (!condition || condition.constant !== undefined) return null;
    const made = this.#isTruth(condition, true) ? then : this.#isTruth(condition, false) ? otherwise : null;
    return made && this.#isWhole(made, node) ? made : null;
  }

  #isTruth(value: Value, wanted: boolean): boolean {
    const element = this.#elementOf(value);
    return element?.kind === "truth" && element.value === wanted;
  }

  #isZero(value: Value): boolean {
    const element = this.#elementOf(value);
    return element?.kind === "integer" && element.value.constant === 0;
  }

  #elementOf(value: Value): Expression | null {
    const { elements } = this.#reading;
    const sizes = elements.shapes.of(value);
    return sizes === null ? null : elements.at(value, sizes.map(symbolOf));
  }

  /** The operand beside an idle one, where it is as large as the result. */
  #left(node: Node, isIdle: (operand: Value) => boolean): Value | null {
    for (const i of [0, 1]) {
      const [idle, other] = [node.input(i), node.input(1 - i)];
      if (idle !== null && other !== null && this.#isWhole(other, node) && isIdle(idle)) return other;
    }
    return null;
  }

  /** Whether an operand has the sizes and the type of the result. */
  #isWhole(operand: Value, node: Node): boolean {
    const { shapes } = this.#reading.elements;
    const [own, all] = [shapes.of(operand), shapes.of(node.result)];
    return (
      own !== null &&
      own.length === all?.length &&
      own.every((size, axis) => all[axis]?.equals(size) === true)
    );
  }

  /** `Where (Less (ReduceSum (Cast (seen)), 1), 0, x)` is x where each query sees its own position. */
  #guarded(node: Node): Value | null {
    const [condition, zero, kept] = [0, 1, 2].map((i) => node.input(i) ?? null);
    if (!condition || !zero || !kept || scalarOf(zero) !== 0) return null;
    const sum = emptySum(condition.producer);
    const cast = sum?.input(0)?.producer;
    const seen = cast?.op === "Cast" ? cast.input(0) : null;
    if (!sum || seen === null || elementTypeOf(seen) !== "bool" || !isOverLast(sum, this.#rankOf(seen)))
      return null;
    return this.#seesItself(seen) ? kept : null;
  }

  #seesItself(seen: Value): boolean {
    const { elements, pasts } = this.#reading;
    const sizes = elements.shapes.of(seen);
    if (sizes === null || sizes.length < 2) return false;
    const index = sizes.map(symbolOf);
    const query = index.at(-2) ?? Polynomial.ZERO;
    return pasts.some((past) => {
      const own = elements.at(seen, index.with(-1, query.plus(past)));
      return own.kind === "truth" && own.value;
    });
  }

  #width(node: Node): Value | null {
    const input = node.input(0);
    const mask =
      input === null ? null : this.#maskOf(input, (one) => one.op === "Cast" || one.op === "Identity");
    const type = elementTypeOf(node.result) ?? elementTypeOf(input);
    if (mask === null || type === null || !isOverLast(node, 2)) return null;
    const b = new Builder(this.#rw, before(node));
    const name = mask.name ?? "mask";
    const width = b.dim(mask, 1, `${name}_width`); // [1], the row
    const typed = type === "int64" ? width : b.cast(width, type, `${name}_count`);
    return (node.int("keepdims") ?? 1) === 0 ? typed : b.unsqueeze(typed, [1], `${name}_counts`);
  }

  /** The mask whose ones a value is, moved by ops of one operand; null for any other value. */
  #maskOf(value: Value, moves: (node: Node) => boolean): Value | null {
    let at: Value | null = value;
    for (let steps = 0; at !== null && steps < MOST_MOVES; steps++) {
      for (const [mask, ones] of this.#reading.ones) if (at === ones) return mask;
      const node: Node | null = at.producer;
      at = node !== null && moves(node) ? node.input(0) : null;
    }
    return null;
  }

  #rankOf(value: Value): number {
    return this.#reading.elements.shapes.of(value)?.length ?? asTensor(value.type)?.shape?.length ?? 0;
  }
}

/** An index along an axis of some size. */
function symbolOf(size: Polynomial, axis: number): Polynomial {
  return size.constant === 1 ? Polynomial.ZERO : Polynomial.symbol(`@axis_${axis}`);
}

/** No exporter lays a mask out in more steps. */
const MOST_MOVES = 16;

function isLaidOut(node: Node): boolean {
  return has(node, "same-scalar") || ["Identity", "Slice", "Expand"].includes(node.op);
}

/** The sum of what is not negative, of which a comparison says whether it is zero; null for any other comparison. */
function emptySum(node: Node | null): Node | null {
  const sum = node?.input(0)?.producer;
  const bound = scalarOf(node?.input(1) ?? null);
  if (sum?.op !== "ReduceSum" || bound === null) return null;
  const isZero =
    node?.op === "Equal" || node?.op === "LessOrEqual" ? bound === 0 : node?.op === "Less" && bound === 1;
  return isZero ? sum : null;
}

/** Whether a sum is along the last axis alone. */
function isOverLast(sum: Node, rank: number): boolean {
  const axes = sum.ints("axes") ?? integersOf(sum.input(1)) ?? [];
  return axes.length === 1 && (axes[0] === -1 || axes[0] === rank - 1);
}
