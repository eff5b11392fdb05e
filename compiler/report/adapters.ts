import type { AdapterDescription } from "../adapters/description.ts";
import { adapterKinds, allLeavesOf } from "../adapters/index.ts";
import { adaptersIn as describedAdapters, replacedIn } from "../bindings/adapters.ts";
import { parametersIn } from "../compile/count-parameters.ts";
import { byteSize } from "../ir/dtype.ts";
import type { Model } from "../ir/model.ts";
import { asTensor } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { descriptionsOf } from "./boxes.ts";
import type { Adapter, AdapterTotals } from "./data.ts";
import { added, bytesOf, NOTHING, type Amount } from "./weights.ts";

/** The adapters that a compiled model says it has, by site. */
export function adaptersOf(model: Model): readonly Adapter[] {
  const { adapters, replaced } = descriptionsOf(model);
  const weights = new Map([...model.graph.initializers, ...model.graph.inputs].map((v) => [v.name ?? "", v]));
  return [...listOf(adapters, weights, false), ...listOf(replaced, weights, true)];
}

function listOf(
  description: AdapterDescription | null,
  weights: ReadonlyMap<string, Value>,
  isReplacing: boolean,
): readonly Adapter[] {
  return (description?.parts ?? []).flatMap(({ kind, settings, sites }) => {
    const known = adapterKinds.get(kind);
    const leaves = known === undefined ? [] : allLeavesOf(known);
    return sites.map((site) => {
      const found = leaves.map((leaf) => weights.get(`${site}.${leaf}`)).filter((v) => v !== undefined);
      const amount = found.map(amountOf).reduce(added, NOTHING);
      return { site, kind, settings: settingsText(settings), isReplacing, ...amount };
    });
  });
}

/** Of an input the numbers that it takes, where its sizes are fixed. */
function amountOf({ constant, type }: Value): Amount {
  if (constant !== undefined) return { parameters: parametersIn(constant), bytes: bytesOf(constant) };
  const tensor = asTensor(type);
  const sizes = (tensor?.shape ?? [null]).map((dim) => (typeof dim === "number" ? dim : 0));
  const parameters = sizes.reduce((product, size) => product * size, 1);
  return { parameters, bytes: tensor === null ? 0 : (byteSize(tensor.dtype, parameters) ?? 0) };
}

/** The weights of adapters that are inputs of the graph. */
export function fedIn(model: Model): ReadonlySet<Value> {
  const all = [...describedAdapters(model).adapters, ...replacedIn(model)];
  const names = new Set(all.flatMap(({ tensors }) => tensors.map(({ name }) => name)));
  return new Set(
    model.graph.inputs.filter(({ name, constant }) => constant === undefined && names.has(name ?? "")),
  );
}

/** `rank 8, alpha 16` */
function settingsText(settings: Readonly<Record<string, unknown>>): string {
  return Object.entries(settings)
    .filter(([, value]) => value !== false)
    .map(([name, value]) => (value === true ? name : `${name} ${String(value)}`))
    .join(", ");
}

/** All adapters together; null where there are none. */
export function totalsOf(model: Model, adapters: readonly Adapter[]): AdapterTotals | null {
  if (adapters.length === 0) return null;
  const { parameters, bytes } = adapters.reduce<Amount>(added, NOTHING);
  const residence = descriptionsOf(model).adapters?.residence ?? "baked";
  return { count: adapters.length, parameters, bytes, residence };
}

/** The adapters beside or inside a module, by its name. */
export function adaptersAt(name: string, adapters: readonly Adapter[]): readonly Adapter[] {
  return adapters.filter(({ site }) => site === name || site.startsWith(`${name}.`));
}
