import type { AdapterKind } from "../../compiler/adapters/kind.ts";
import { after, Builder } from "../../compiler/ir/builder.ts";
import type { Loc } from "../../compiler/ir/entity.ts";
import type { Func } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { DETACHED_KEY } from "../../compiler/ops/training.ts";
import { linearsOf, TFC_DOMAIN, type InnerLinear, type ProjectionKind } from "../../compiler/sites/site.ts";
import { productOf } from "../../compiler/recognize/linear/product.ts";
import type { Use, Value } from "../../compiler/ir/value.ts";
import type { AdapterFunctions } from "./_adapter-functions.ts";

/** What is put at one projection inside a function. */
export interface InnerAdapter {
  readonly site: ProjectionKind;
  readonly kind: AdapterKind;
  readonly func: Func;
  /** The values of a call, in order, with a name for the parameter that each becomes. */
  readonly values: readonly { readonly name: string; readonly value: Value }[];
  /** What makes norms of the last value, the squares of the base's; null where that is the norms, or there are none. */
  readonly norms: Func | null;
}

/** The chosen projections of one linear. */
export interface Chosen {
  readonly linear: InnerLinear;
  /** Who read the linear's output before: an adapter may read it, too. */
  readonly readers: ReadonlySet<Use>;
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
  write(perCall: readonly (readonly InnerAdapter[])[], use: (b: Builder, chosen: Chosen) => void): void {
    const [first = []] = perCall;
    if (!this.#func.opsets.has(TFC_DOMAIN)) this.#rw.setOpset(this.#func, TFC_DOMAIN, 1);
    for (const linear of linearsOf(this.#func)) {
      const maker = linear.output.producer;
      const x = linear.reader.input(0);
      if (maker === null || x === null) continue;
      const b = new Builder(this.#rw, after(maker), { loc: this.#loc });
      const readers = new Set(linear.output.uses);
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
        const name = `${site}.${this.#label}`;
        const inputs = [x, ...this.#read(b, linear, adapter, parameters)];
        const call = this.#functions.call(adapter.func, adapter.kind, inputs, name, this.#loc);
        return b.place(call).result;
      });
      if (results.every((result) => result === null)) continue;
      use(b, { linear, readers, results });
    }
  }

  /** Parameters as the adapter's function takes them, and what it reads of the projection. */
  #read(
    b: Builder,
    linear: InnerLinear,
    { site, kind, func, norms }: InnerAdapter,
    parameters: readonly Value[],
  ): readonly Value[] {
    // Behind x and the parameters.
    if (func.body.inputs.length === parameters.length + 1) return parameters;
    const product = productOf(linear);
    if (typeof product === "string") throw new Error(`${site}: ${product}`);
    const whole =
      product.bias === null ? product.value : b.op("Sub", [product.value, product.bias], `${site}.product`);
    const at = linear.parts.findIndex((part) => part.site === site);
    const start = linear.parts.slice(0, at).reduce((sum, { width }) => sum + width, 0);
    const end = start + (linear.parts[at]?.width ?? 0);
    const own = linear.parts.length === 1 ? whole : b.slice(whole, start, end, -1, `${site}.product_part`);
    const squares = parameters.at(-1);
    if (norms === null || squares === undefined) return [...parameters, own];
    const [down, up, , scaling] = parameters;
    if (down === undefined || up === undefined || scaling === undefined)
      throw new Error(`${kind.name} at ${site} without its leaves`);
    const name = `${site}.norms`;
    const inputs = [down, up, product.matrix, squares, scaling];
    const made = b.place(
      this.#rw.node({ op: norms.name, domain: norms.domain, name, inputs, outputs: [name], loc: this.#loc }),
    );
    this.#rw.setMeta(made, DETACHED_KEY, "1");
    return [...parameters.slice(0, -1), made.result, own];
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

/** Parts along the last axis as one; a single one as it is. */
export function joined(b: Builder, parts: readonly Value[], name: string): Value {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : b.concat(parts, -1, name);
}
