import { cloneFunc } from "../../../compiler/ir/clone.ts";
import type { Func, Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { functionKey } from "../../../compiler/ir/model.ts";
import type { HalfGraphs } from "./_graphs.ts";
import type { Kind } from "./_values.ts";

/** A function as some calls of it need it, and what it then gives. */
interface Variant {
  readonly func: Func;
  readonly types: readonly (ReturnType<HalfGraphs["slots"]["typeOf"]> | null)[];
  readonly kinds: readonly (Kind | null)[];
}

/** Converts the functions that a model calls: once for each way in which operands are given. */
export class HalfFunctions {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #graphs: HalfGraphs;
  readonly #variants = new Map<Func, Map<string, Variant>>();
  /** Functions as they were. */
  readonly #pristine = new Map<Func, Func>();

  constructor(model: Model, rw: Rewriter, graphs: HalfGraphs) {
    this.#model = model;
    this.#rw = rw;
    this.#graphs = graphs;
  }

  /** Converts a call. @returns false for what is none */
  convert(node: Node): boolean {
    const callee = this.#model.callee(node);
    if (callee === undefined) return false;
    const { values, slots } = this.#graphs;
    const given = node.inputs.map((value) => {
      const kind = values.kindOf(value);
      // A constant is given in the model's type.
      return { type: slots.typeOf(value), kind: kind === "open" ? ("half" as const) : kind };
    });
    node.inputs.forEach((value, i) => {
      if (value !== null && values.kindOf(value) === "open")
        this.#rw.setInput(node, i, values.as(value, "half"));
    });
    const variant = this.#variant(callee, given);
    this.#rw.setCallee(node, variant.func);
    node.outputs.forEach((value, i) => {
      slots.note(value, variant.types[i] ?? null);
      const kind = variant.kinds[i] ?? null;
      if (kind !== null) this.#graphs.enter(value, kind);
    });
    return true;
  }

  #variant(
    callee: Func,
    given: readonly { readonly type: Variant["types"][number]; readonly kind: Kind | null }[],
  ): Variant {
    const known = this.#variants.get(callee) ?? new Map<string, Variant>();
    this.#variants.set(callee, known);
    const key = given.map(({ type, kind }) => `${type} ${kind}`).join();
    const found = known.get(key);
    if (found !== undefined) return found;
    const func = known.size === 0 ? callee : this.#another(callee, known.size + 1);
    if (known.size === 0) this.#pristine.set(callee, cloneFunc(this.#rw, callee, callee.name));
    const { slots, values } = this.#graphs;
    func.body.inputs.forEach((formal, i) => {
      const { type = null, kind = null } = given[i] ?? {};
      slots.note(formal, type);
      if (kind !== null) this.#graphs.enter(formal, kind);
    });
    this.#graphs.graph(func.body, func.opsets);
    const types = func.body.outputs.map((value) => slots.typeOf(value));
    const kinds = func.body.outputs.map((value) => {
      const kind = values.kindOf(value);
      return kind === "open" ? "float" : kind;
    });
    const variant = { func, types, kinds };
    known.set(key, variant);
    return variant;
  }

  #another(callee: Func, number: number): Func {
    const pristine = this.#pristine.get(callee) ?? callee;
    let name = `${callee.name}_${number}`;
    while (this.#model.functions.has(functionKey({ domain: callee.domain, name }))) name += "_";
    const copy = cloneFunc(this.#rw, pristine, name);
    this.#rw.addFunction(this.#model, copy);
    return copy;
  }
}
