import { normFunction, type NormSpec } from "../../compiler/adapters/dora.ts";
import { ADAPTER_KEY, type AdapterKind, type Form } from "../../compiler/adapters/kind.ts";
import type { Width } from "../../compiler/sites/places.ts";
import { madeBy, type Loc } from "../../compiler/ir/entity.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { printFunction } from "../../compiler/text/print.ts";
import { freeName } from "../../compiler/sites/free-name.ts";

/** The functions of adapters, one for all places whose adapters are computed in the same way. */
export class AdapterFunctions {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #loc: Loc;
  readonly #members: number;
  readonly #made = new Map<string, Func>();

  /** @param members how many members a bank stacks; 0 for no bank */
  constructor(model: Model, rw: Rewriter, pass: string, members: number) {
    this.#model = model;
    this.#rw = rw;
    this.#loc = madeBy(pass, []);
    this.#members = members;
  }

  of(kind: AdapterKind, width: Width, settings: object, form: Form): Func {
    const key = [kind.name, JSON.stringify(width), kind.bodyKey(settings), form].join(" ");
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const name = freeName(this.#model, kind.functionName);
    const func = kind.body(width, settings, {
      rewriter: this.#rw,
      loc: this.#loc,
      name,
      opset: this.#model.opset,
      form,
      members: this.#members,
    });
    // Most bodies do not depend on the widths: the same text is the same function.
    const text = printFunction(func).replace(`\n${name} (`, "\n(");
    const same = this.#made.get(text);
    if (same === undefined) this.#rw.addFunction(this.#model, func);
    const result = same ?? func;
    this.#made.set(key, result);
    this.#made.set(text, result);
    return result;
  }

  /** The function of the norms of a weight's rows with LoRA in it. */
  norms(spec: NormSpec): Func {
    const key = `norms ${JSON.stringify(spec)}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const name = freeName(this.#model, "LoraNorms");
    const func = normFunction(this.#rw, this.#loc, name, this.#model.opset, spec);
    this.#rw.addFunction(this.#model, func);
    this.#made.set(key, func);
    return func;
  }

  /** A call that is in no graph yet. */
  call(func: Func, kind: AdapterKind, inputs: readonly (Value | null)[], name: string, loc: Loc): Node {
    const node = this.#rw.node({ op: func.name, domain: func.domain, name, inputs, outputs: [name], loc });
    this.#rw.setMeta(node, ADAPTER_KEY, kind.name);
    return node;
  }
}
