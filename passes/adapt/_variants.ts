import { cloneFunc } from "../../compiler/ir/clone.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { callsOf } from "../_calls.ts";
import { freeName } from "../../compiler/sites/free-name.ts";

/** Calls whose functions are to be changed in the same way. */
interface Variant {
  readonly func: Func;
  readonly calls: readonly Node[];
}

/** Gives calls whose functions are to be changed functions of their own. */
export class Variants {
  readonly #model: Model;
  readonly #rw: Rewriter;
  /** How many nodes call each function. Counted when the first is asked for: calls may have been removed before. */
  #callers: Map<Func, number> | null = null;

  constructor(model: Model, rw: Rewriter) {
    this.#model = model;
    this.#rw = rw;
  }

  /**
   * Groups calls of a function by what is to be done to it. Each group gets a function of its own: the one it has,
   * where nothing else calls it, else a copy.
   *
   * @param plans what is to be done, by call; `key` says when two are the same
   */
  of<P>(func: Func, plans: ReadonlyMap<Node, P>, key: (plan: P) => string): readonly Variant[] {
    const groups = new Map<string, Node[]>();
    for (const [call, plan] of plans) {
      const text = key(plan);
      const group = groups.get(text) ?? [];
      groups.set(text, group);
      group.push(call);
    }
    this.#callers ??= new Map([...callsOf(this.#model)].map(([of, calls]) => [of, calls.length]));
    const callers = this.#callers;
    return [...groups.values()].map((calls) => {
      const others = (callers.get(func) ?? 0) - calls.length;
      if (others === 0) return { func, calls };
      callers.set(func, others);
      return { func: this.#copy(func, calls), calls };
    });
  }

  #copy(func: Func, calls: readonly Node[]): Func {
    const copy = cloneFunc(this.#rw, func, freeName(this.#model, func.name.replace(/_\d+$/, "")));
    this.#rw.addFunction(this.#model, copy);
    for (const call of calls) this.#rw.setCallee(call, copy);
    return copy;
  }
}
