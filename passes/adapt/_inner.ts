import type { AdapterKind } from "../../compiler/adapters/kind.ts";
import { attribute } from "../../compiler/ir/attribute.ts";
import type { Loc } from "../../compiler/ir/entity.ts";
import type { Func } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { linearsOf, TFC_DOMAIN, type InnerLinear, type ProjectionKind } from "../../compiler/sites/site.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { AdapterFunctions } from "./_adapter-functions.ts";

/** What is put at one projection inside a function. */
export interface InnerAdapter {
  readonly site: ProjectionKind;
  readonly kind: AdapterKind;
  readonly func: Func;
  /** The values of a call, in order, with a name for the parameter that each becomes. */
  readonly values: readonly { readonly name: string; readonly value: Value }[];
}

/** The chosen projections of one linear. */
export interface Chosen {
  readonly linear: InnerLinear;
  /** By part; null for one that is left alone. */
  readonly results: readonly (Value | null)[];
}

/** Writes into the body of a function, and passes on what it needs from outside at every call. */
export class InnerWriter {
  readonly #rw: Rewriter;
  readonly #func: Func;
  readonly #calls: readonly Node[];
  readonly #functions: AdapterFunctions;
  readonly #loc: Loc;
  readonly #label: string;
  readonly #parameters = new Map<string, Value>();

  constructor(
    rw: Rewriter,
    target: { readonly func: Func; readonly calls: readonly Node[] },
    functions: AdapterFunctions,
    { loc, label }: { readonly loc: Loc; readonly label: string },
  ) {
    this.#rw = rw;
    this.#func = target.func;
    this.#calls = target.calls;
    this.#functions = functions;
    this.#loc = loc;
    this.#label = label;
  }

  /**
   * Calls adapters at projections, and hands the results of each linear to `use`.
   *
   * @param perCall what each call passes for the same adapters, in the order of the calls
   */
  write(perCall: readonly (readonly InnerAdapter[])[], use: (chosen: Chosen, body: BodyEnd) => void): void {
    const [first = []] = perCall;
    if (!this.#func.opsets.has(TFC_DOMAIN)) this.#rw.setOpset(this.#func, TFC_DOMAIN, 1);
    for (const linear of linearsOf(this.#func)) {
      const maker = linear.output.producer;
      if (maker === null) continue;
      let last: Node = maker;
      const results = linear.parts.map(({ site }) => {
        const index = first.findIndex((adapter) => adapter.site === site);
        const adapter = first[index];
        if (adapter === undefined) return null;
        const parameters = adapter.values.map(({ name }, i) =>
          this.#parameter(
            name,
            perCall.map((adapters) => adapters[index]?.values[i]?.value),
          ),
        );
        const inputs = [linear.input, ...parameters];
        const name = `${site}.${this.#label}`;
        const call = this.#functions.call(adapter.func, adapter.kind, inputs, name, this.#loc);
        last = this.#rw.insertAfter(last, call);
        return call.outputs[0] ?? null;
      });
      if (results.every((result) => result === null)) continue;
      use({ linear, results }, new BodyEnd(this.#rw, this.#func, last, this.#loc));
    }
  }

  /** A parameter of the function with what each call passes for it; one of a name. */
  #parameter(name: string, values: readonly (Value | undefined)[]): Value {
    const known = this.#parameters.get(name);
    if (known !== undefined) return known;
    const parameter = this.#rw.value(this.#loc, name);
    const index = this.#func.body.inputs.length;
    this.#rw.addInput(this.#func.body, parameter);
    this.#calls.forEach((call, i) => {
      this.#rw.setInput(call, index, values[i] ?? null);
    });
    this.#parameters.set(name, parameter);
    return parameter;
  }
}

/** A place in a body behind which nodes are written, one after the other. */
export class BodyEnd {
  readonly #rw: Rewriter;
  readonly #func: Func;
  readonly #loc: Loc;
  #last: Node;

  constructor(rw: Rewriter, func: Func, last: Node, loc: Loc) {
    this.#rw = rw;
    this.#func = func;
    this.#last = last;
    this.#loc = loc;
  }

  op(
    op: string,
    inputs: readonly Value[],
    names: readonly string[],
    attributes: Parameters<Rewriter["node"]>[0]["attributes"] = {},
  ): readonly Value[] {
    const [name = op] = names;
    const node = this.#rw.node({ op, name, inputs, outputs: names, attributes, loc: this.#loc });
    this.#last = this.#rw.insertAfter(this.#last, node);
    return node.outputs;
  }

  one(...args: Parameters<BodyEnd["op"]>): Value {
    const [value] = this.op(...args);
    if (value === undefined) throw new Error(`${args[0]} has no output`);
    return value;
  }

  concat(parts: readonly Value[], name: string): Value {
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return only;
    return this.one("Concat", parts, [name], { axis: attribute.int(-1) });
  }

  /** The parts of a value along its last axis; the widths became an input in opset 13. */
  split(value: Value, widths: readonly number[], names: readonly string[]): readonly Value[] {
    const axis = attribute.int(-1);
    if ((this.#func.opsets.get("") ?? 0) < 13) {
      return this.op("Split", [value], names, { axis, split: attribute.ints(widths) });
    }
    const sizes = tensorOf("int64", [widths.length], widths);
    const constant = this.one("Constant", [], [`${names[0] ?? ""}_widths`], {
      value: attribute.tensor(sizes),
    });
    return this.op("Split", [value, constant], names, { axis });
  }
}
