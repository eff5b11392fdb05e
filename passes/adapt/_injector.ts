import { after, before, Builder } from "../../compiler/ir/builder.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Site } from "../../compiler/sites/site.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import type { Use, Value } from "../../compiler/ir/value.ts";
import { AdapterFunctions } from "./_adapter-functions.ts";
import type { AdapterValues } from "./_adapter-values.ts";
import type { Placed } from "./_assign.ts";
import { InnerWriter, type Chosen, type InnerAdapter } from "./_inner.ts";
import { MemberIds } from "./_member-ids.ts";
import { widthOf, type ModulePlace, type Place, type ProjectionPlace } from "../../compiler/sites/places.ts";
import { variantsOf } from "./_variants.ts";

/** What an adapter of a block has computed. */
export interface Adapted {
  readonly site: Site;
  /** Who read the block's output before. */
  readonly readers: ReadonlySet<Use>;
  readonly result: Value;
}

/** Calls adapters at places: in the graph of a block's call, or in the function that a projection is in. */
export class Injector {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #pass: string;
  readonly #label: string;
  readonly #values: AdapterValues;
  readonly #functions: AdapterFunctions;
  readonly #ids: MemberIds | null;

  /**
   * @param label what the calls are to their sites: the last part of their names
   * @param members how many adapters a bank has; null for no bank
   */
  constructor(
    model: Model,
    rw: Rewriter,
    { pass, label }: { readonly pass: string; readonly label: string },
    values: AdapterValues,
    members: number | null,
  ) {
    this.#label = label;
    this.#model = model;
    this.#rw = rw;
    this.#pass = pass;
    this.#values = values;
    this.#functions = new AdapterFunctions(model, rw, pass, (members ?? 0) + 1);
    this.#ids = members !== null ? new MemberIds(model, rw, pass, members) : null;
  }

  /** The adapter of a block reads what the block reads, and every reader of the block reads what `use` makes of both. */
  atBlock({ place, assignment }: Placed<ModulePlace>, use: (b: Builder, adapted: Adapted) => void): void {
    const { site } = place;
    const readers = new Set(site.output.uses);
    const width = widthOf(place);
    const name = `${site.name}.${this.#label}`;
    const needsCast = site.castsInput && asTensor(site.input.type)?.dtype !== width.dtype;
    const x = needsCast
      ? new Builder(this.#rw, before(site.node)).cast(site.input, width.dtype, `${name}_input`)
      : site.input;
    const { func, values } = this.#prepared({ place, assignment });
    const inputs = [x, ...values.map(({ value }) => value)];
    const b = new Builder(this.#rw, after(site.node));
    const { result } = b.place(this.#functions.call(func, assignment.kind, inputs, name, b.loc));
    const to = site.outputDtype;
    const typed = to === null || to === width.dtype ? result : b.cast(result, to, `${name}_output`);
    const shaped = site.reshapes ? b.shapedAs(typed, site.output, name) : typed;
    use(b, { site, readers, result: shaped });
  }

  /** The adapters of projections, by the calls whose functions they are in. */
  inFunctions(placed: readonly Placed<ProjectionPlace>[], use: (b: Builder, chosen: Chosen) => void): void {
    const plans = new Map<Node, Placed<ProjectionPlace>[]>();
    for (const one of placed) {
      const call = one.place.site.node;
      plans.set(call, [...(plans.get(call) ?? []), one]);
    }
    const adapters = new Map<Node, readonly InnerAdapter[]>();
    for (const [call, ofCall] of plans)
      adapters.set(
        call,
        ofCall.map((one) => this.#inner(one)),
      );
    const text = (ofCall: readonly InnerAdapter[]): string =>
      ofCall.map(({ site, func, values }) => `${site} ${func.key} ${values.length}`).join();
    for (const { func, calls } of variantsOf(this.#model, this.#rw, adapters, text)) {
      const loc = madeBy(this.#pass, [func.loc]);
      const how = { loc, label: this.#label };
      const writer = new InnerWriter(this.#rw, { func, calls }, this.#functions, how);
      writer.write(
        calls.map((call) => adapters.get(call) ?? []),
        use,
      );
    }
  }

  #inner(placed: Placed<ProjectionPlace>): InnerAdapter {
    const { inner } = placed.place;
    const part = inner.linear.parts[inner.part];
    if (part === undefined) throw new Error(`${placed.place.name} is no projection`);
    const { func, values } = this.#prepared(placed);
    const named = values.map(({ name, value }) => ({
      // Which ids a projection reads says nothing of the projection: one parameter serves all.
      name: value === this.#idsAt(placed.place) ? (value.name ?? name) : `${part.site}.${name}`,
      value,
    }));
    return { site: part.site, kind: placed.assignment.kind, func, values: named };
  }

  #idsAt(place: Place): Value | null {
    return this.#ids?.at(place) ?? null;
  }

  #prepared({ place, assignment }: Placed): Pick<InnerAdapter, "func" | "values"> {
    const width = widthOf(place);
    const form = this.#ids?.formAt(place) ?? "single";
    const func = this.#functions.of(assignment.kind, width, assignment.settings, form);
    const ids = this.#idsAt(place);
    const own = this.#values.at(place.name, width, assignment, form);
    const values = ids === null ? own : [ids, ...own];
    // The first parameter of the function is x.
    const names = func.body.inputs.slice(1).map((value) => value.name ?? "");
    return { func, values: values.map((value, i) => ({ name: names[i] ?? "", value })) };
  }
}
