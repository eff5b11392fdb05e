import type { Model } from "../../compiler/ir/model.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { asTensor, tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { integersOf } from "../../compiler/ops/constant.ts";
import { has } from "../../compiler/ops/table.ts";
import { weightOf } from "../../compiler/recognize/linear/weight.ts";

/** What another vocabulary changes behind a head. */
export interface Widening {
  /** Tokens before and after. */
  readonly before: number;
  readonly after: number;
  /** Values whose last axis is the vocabulary. */
  readonly values: readonly Value[];
  /** Shapes that say how many tokens there are, with what they are to say: vectors of int64. */
  readonly shapes: readonly {
    readonly node: Node;
    readonly index: number;
    readonly numbers: readonly number[];
  }[];
}

/** A change of the vocabulary of a head: the node that multiplies. */
interface Change {
  readonly head: Node;
  readonly before: number;
  readonly after: number;
}

/** The inputs of nodes that get weights of the new vocabulary. */
interface Replaced {
  has(reader: Node, index: number): boolean;
}

/**
 * Follows the logits of a head whose vocabulary changes to the graph's outputs: which types have its width, and which
 * Reshapes say it. Changes nothing.
 *
 * @returns why the graph cannot have another vocabulary, as a clause, where it cannot
 */
export function planWidening(change: Change, replaced: Replaced): Widening | string {
  return new Following(change, replaced).result();
}

/** Ops that choose among logits, or say something of all: their results have no axis of tokens. */
const ends: ReadonlySet<string> = new Set(["ArgMax", "ArgMin", "TopK", "Shape", "Size"]);
/** Ops over the axis of tokens, or on each by itself, that no trait names. */
const alike: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax", "Identity", "Dropout"]);

class Following {
  readonly #change: Change;
  readonly #replaced: Replaced;
  readonly #values = new Set<Value>();
  readonly #shapes: Widening["shapes"][number][] = [];

  constructor(change: Change, replaced: Replaced) {
    this.#change = change;
    this.#replaced = replaced;
  }

  result(): Widening | string {
    const { head, before, after } = this.#change;
    if (this.#readsOld(head, [2])) return "the bias of its head has the old vocabulary";
    for (const value of head.outputs) this.#values.add(value);
    // What is added meanwhile is met, too.
    for (const value of this.#values) {
      for (const node of value.users) {
        const obstacle = this.#obstacle(node, value);
        if (obstacle !== null) return obstacle;
        if (!ends.has(node.op)) for (const output of node.outputs) this.#values.add(output);
      }
    }
    return { before, after, values: [...this.#values], shapes: this.#shapes };
  }

  /** Why logits cannot go through a node with another vocabulary, as a clause; null where they can. */
  #obstacle(node: Node, logits: Value): string | null {
    if (ends.has(node.op) || alike.has(node.op) || has(node, "retype")) return null;
    if (has(node, "elementwise")) {
      const others = node.inputs.flatMap((input, i) => (input === logits ? [] : [i]));
      return this.#readsOld(node, others)
        ? `its logits meet numbers of the old vocabulary (${node.op})`
        : null;
    }
    if (node.op === "Gather" && node.input(0) === logits) {
      const rank = asTensor(logits.type)?.shape?.length ?? null;
      const axis = node.int("axis") ?? 0;
      if (axis >= 0 && (rank === null || axis < rank - 1)) return null;
    }
    if (node.op === "Reshape" && node.input(0) === logits && this.#isReshaped(node)) return null;
    return `its logits go through ${node.op}, which may depend on the vocabulary`;
  }

  /** Whether one of the operands keeps the old width: a bias, say. */
  #readsOld(node: Node, indices: readonly number[]): boolean {
    return indices.some(
      (i) => !this.#replaced.has(node, i) && weightOf(node.input(i))?.shape.at(-1) === this.#change.before,
    );
  }

  /** Notes the new width where a Reshape's shape ends with the old one; false where it says something else. */
  #isReshaped(node: Node): boolean {
    const { before, after } = this.#change;
    const shape = node.input(1);
    const numbers = integersOf(shape);
    if (numbers?.at(-1) === -1) return true;
    if (numbers?.at(-1) === before) {
      this.#shapes.push({ node, index: 1, numbers: [...numbers.slice(0, -1), after] });
      return true;
    }
    const joining = shape?.producer;
    if (joining?.op !== "Concat" || shape?.uses.size !== 1) return false;
    const last = joining.inputs.length - 1;
    const [width, ...more] = integersOf(joining.input(last)) ?? [];
    if (width === -1) return true;
    if (width !== before || more.length > 0) return false;
    this.#shapes.push({ node: joining, index: last, numbers: [after] });
    return true;
  }
}

/** Gives logits their new width, in the types of values and in the shapes that Reshapes read. */
export function widen(model: Model, rw: Rewriter, { before, after, values, shapes }: Widening): void {
  for (const value of values) {
    const type = asTensor(value.type);
    if (type?.shape?.at(-1) === before)
      rw.setType(value, tensorType(type.dtype, [...type.shape.slice(0, -1), after]));
  }
  for (const { node, index, numbers } of shapes) rw.setInput(node, index, int64(model, rw, node, numbers));
}

function int64(model: Model, rw: Rewriter, at: Node, numbers: readonly number[]): Value {
  const bytes = new Uint8Array(BigInt64Array.from(numbers, (n) => BigInt(n)).buffer);
  const tensor = new Tensor("int64", [numbers.length], { kind: "memory", bytes });
  const loc = madeBy(rw.pass ?? "", [at.loc]);
  const value = rw.value(loc, "vocabulary", tensorType("int64", tensor.shape), tensor);
  return rw.addInitializer(model.graph, value);
}
