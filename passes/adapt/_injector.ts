import { after, before, Builder } from "../../compiler/ir/builder.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Body } from "../../compiler/sites/modules.ts";
import { siteOf, type Site } from "../../compiler/sites/site.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import type { Use, Value } from "../../compiler/ir/value.ts";
import { AdapterFunctions } from "./_adapter-functions.ts";
import type { AdapterValues } from "./_adapter-values.ts";
import { InnerWriter, type Chosen, type InnerAdapter } from "./_inner.ts";
import { MemberIds } from "./_member-ids.ts";
import type { Placed } from "./_adapter-plan.ts";
import type { ModulePlace, Place, ProjectionPlace, StepPlace } from "../../compiler/sites/places.ts";
import { Variants } from "./_variants.ts";

/** What an adapter of a block, or of a step around one, has computed. */
export interface Adapted {
  /** `model.layers.0.mlp` */
  readonly name: string;
  /** The block. */
  readonly site: Site;
  /** What the block or the step gives. */
  readonly output: Value;
  /** Who read it before. */
  readonly readers: ReadonlySet<Use>;
  readonly result: Value;
}

/** Calls adapters at places: in the graph of a block's call, or in the function that a projection is in. */
export class Injector {
  readonly #rw: Rewriter;
  readonly #pass: string;
  readonly #label: string;
  readonly #values: AdapterValues;
  readonly #functions: AdapterFunctions;
  readonly #variants: Variants;
  readonly #ids: MemberIds | null;
  /** Those of projections, by the calls that pass their leaves. */
  readonly #inside = new Map<Node, InnerAdapter[]>();

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
    this.#rw = rw;
    this.#pass = pass;
    this.#values = values;
    this.#functions = new AdapterFunctions(model, rw, pass, members ?? 0);
    this.#variants = new Variants(model, rw);
    this.#ids = members !== null ? new MemberIds(model, rw, pass, members) : null;
  }

  /** The adapter of a block reads what the block reads, and every reader of the block reads what `use` makes of both. */
  beside(placed: Placed<ModulePlace>, use: (b: Builder, adapted: Adapted) => void): void {
    const { place, width } = placed;
    const site = siteNow(place.site);
    const readers = new Set(site.output.uses);
    const name = `${site.name}.${this.#label}`;
    const needsCast = site.castsInput && asTensor(site.input.type)?.dtype !== width.dtype;
    const x = needsCast
      ? new Builder(this.#rw, before(site.node)).cast(site.input, width.dtype, `${name}_input`)
      : site.input;
    const b = new Builder(this.#rw, after(site.node));
    const typed = this.#called(b, placed, x, site.outputDtype);
    const shaped = site.reshapes ? b.shapedAs(typed, site.output, name) : typed;
    use(b, { name: site.name, site, output: site.output, readers, result: shaped });
  }

  /**
   * The same at a step around a block, of what the step reads and gives. Rows and steps are in the axes of the block's
   * input where its output has others.
   */
  around(placed: Placed<StepPlace>, use: (b: Builder, adapted: Adapted) => void): void {
    const { name, site, step } = placed.place;
    const { output } = step;
    const readers = new Set(output.uses);
    const b = new Builder(this.#rw, after(step.node));
    const isReshaped = site.reshapes && output !== site.input && step.width === undefined;
    const x = isReshaped ? b.shapedAs(step.input, site.input, `${name}.${this.#label}_input`) : step.input;
    const typed = this.#called(b, placed, x, step.outputDtype);
    const result = isReshaped ? b.shapedAs(typed, output, `${name}.${this.#label}`) : typed;
    use(b, { name, site, output, readers, result });
  }

  /** The adapter's result for x, in the type that it is added in. */
  #called(b: Builder, placed: Placed<ModulePlace | StepPlace>, x: Value, to: DType | null): Value {
    const { place, width, kind } = placed;
    const { func, values } = this.#prepared(placed);
    const name = `${place.name}.${this.#label}`;
    const inputs = [x, ...values.map(({ value }) => value)];
    const { result } = b.place(this.#functions.call(func, kind, inputs, name, b.loc));
    return to === null || to === width.dtype ? result : b.cast(result, to, `${name}_output`);
  }

  /** Makes what a call passes for the adapter of a projection. {@link write} puts the adapter into the function. */
  inside(placed: Placed<ProjectionPlace>): void {
    const { place, kind } = placed;
    const { site, inner } = place;
    const part = inner.linear.parts[inner.part];
    if (part === undefined) throw new Error(`${place.name} is no projection`);
    const { func, values, norms } = this.#prepared(placed);
    const named = values.map(({ name, value }) => ({
      // Which ids a projection reads says nothing of the projection: one parameter serves all.
      name: value === this.#idsAt(place) ? (value.name ?? name) : `${part.site}.${name}`,
      value,
    }));
    const ofCall = this.#inside.get(site.node) ?? [];
    this.#inside.set(site.node, ofCall);
    ofCall.push({ site: part.site, kind, func, values: named, norms });
  }

  /** Writes the adapters of projections into a function; calls that differ in theirs get functions of their own. */
  write({ func, calls }: Body, use: (b: Builder, chosen: Chosen) => void): void {
    const adapters = new Map<Node, readonly InnerAdapter[]>();
    for (const { site } of calls) {
      const ofCall = this.#inside.get(site.node);
      if (ofCall !== undefined) adapters.set(site.node, ofCall);
    }
    const text = (ofCall: readonly InnerAdapter[]): string =>
      ofCall
        .map(
          ({ site, func: own, values, norms }) => `${site} ${own.key} ${values.length} ${norms?.key ?? ""}`,
        )
        .join();
    for (const variant of this.#variants.of(func, adapters, text)) {
      const how = { loc: madeBy(this.#pass, [variant.func.loc]), label: this.#label };
      const writer = new InnerWriter(this.#rw, variant, this.#functions, how);
      writer.write(
        variant.calls.map((call) => adapters.get(call) ?? []),
        use,
      );
    }
  }

  #idsAt(place: Place): Value | null {
    return this.#ids?.at(place) ?? null;
  }

  #prepared(placed: Placed): Pick<InnerAdapter, "func" | "values" | "norms"> {
    const { place, width, kind, settings, base } = placed;
    const form = this.#ids?.formAt(place) ?? "single";
    const func = this.#functions.of(kind, width, settings, form);
    const ids = this.#idsAt(place);
    const own = this.#values.at(placed, form);
    const values = ids === null ? own : [ids, ...own];
    // The first parameter of the function is x.
    const names = func.body.inputs.slice(1).map((value) => value.name ?? "");
    const norms =
      base !== null && this.#values.areFed
        ? this.#functions.norms({ dtype: width.dtype, isInFirst: base.isInFirst, part: base.part })
        : null;
    return { func, values: values.map((value, i) => ({ name: names[i] ?? "", value })), norms };
  }
}

/** A site as it is by now: where it reads another block's output directly, that one's adapter has come between. */
function siteNow({ node, name }: Site): Site {
  const site = siteOf(node);
  if (site === null) throw new Error(`${name} is a site no longer`);
  return site;
}
