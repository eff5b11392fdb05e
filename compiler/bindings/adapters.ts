import { describedIn, type AdapterDescription } from "../adapters/description.ts";
import { adapterKinds, allLeavesOf } from "../adapters/index.ts";
import { ADAPTER_KEY, REPLACED_KEY, type AdapterKind } from "../adapters/kind.ts";
import type { Model } from "../ir/model.ts";
import { asTensor } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import type { DescribedAdapter, DescribedTensor, GraphDescription } from "./description.ts";

/** The adapters of a graph, and where their weights are. @throws TfcError ADAPTER_METADATA_INVALID */
export function adaptersIn(model: Model): Pick<GraphDescription, "adapters" | "residence"> {
  const described = describedIn(model.meta, ADAPTER_KEY, model.loc.file);
  const adapters = slotsIn(model, described);
  return { adapters, residence: adapters.length === 0 ? null : (described?.residence ?? "baked") };
}

/** What stands in place of projections. @throws TfcError ADAPTER_METADATA_INVALID */
export function replacedIn(model: Model): readonly DescribedAdapter[] {
  return slotsIn(model, describedIn(model.meta, REPLACED_KEY, model.loc.file));
}

/** Names of a bank's members, by their ids. @throws TfcError ADAPTER_METADATA_INVALID */
export function membersIn(model: Model): readonly string[] {
  const described = describedIn(model.meta, ADAPTER_KEY, model.loc.file);
  if (described?.residence !== "bank") return [];
  return described.names ?? Array.from({ length: described.members ?? 0 }, (_, id) => String(id));
}

function slotsIn({ graph }: Model, described: AdapterDescription | null): readonly DescribedAdapter[] {
  if (described === null) return [];
  const isBank = described.residence === "bank";
  const values = new Map<string, Value>();
  for (const value of [...graph.initializers, ...graph.inputs]) values.set(value.name ?? "", value);
  return described.parts.flatMap(({ kind, settings, sites }) => {
    const known = adapterKinds.get(kind);
    return sites.map((slot) => ({
      slot,
      kind,
      settings,
      tensors: known === undefined ? [] : tensorsAt(slot, known, settings, values, isBank),
    }));
  });
}

/** Leaves in the kind's order, then coefficients; those that the graph has. */
function tensorsAt(
  slot: string,
  kind: AdapterKind,
  settings: Readonly<Record<string, unknown>>,
  values: ReadonlyMap<string, Value>,
  isBank: boolean,
): readonly DescribedTensor[] {
  const coefficients = Object.keys(kind.coefficients(settings));
  return [...allLeavesOf(kind), ...coefficients].flatMap((part) => {
    const name = `${slot}.${part}`;
    const value = values.get(name);
    const type = value === undefined ? null : asTensor(value.type);
    const dtype = type?.dtype ?? value?.constant?.dtype;
    if (value === undefined || dtype === undefined) return [];
    const isCoefficient = coefficients.includes(part);
    const shape = (type?.shape ?? value.constant?.shape ?? []).map((dim) => dim ?? "");
    return [
      {
        name,
        part,
        type: dtype,
        shape: isBank && !value.isInput ? shape.slice(1) : shape,
        isInput: value.isInput,
        isCoefficient,
      },
    ];
  });
}
