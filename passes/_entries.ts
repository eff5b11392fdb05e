import { adapterKinds } from "../compiler/adapters/index.ts";
import { siteList, type Selector } from "../compiler/adapters/selector.ts";
import { inputError } from "../compiler/diagnostics/error.ts";
import { choice, valueText, type Option } from "../compiler/pass/options.ts";

/** Fresh adapters of one kind at some sites. */
export interface Entry {
  readonly kind: string;
  /** Empty for those where the kind usually goes. */
  readonly sites: readonly Selector[];
  /** The kind's own options, checked by its schema. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const sitesOption = siteList({ help: "" });
const kindOption = choice({ help: "", default: "scalarlm", of: [...adapterKinds.keys()] });

/** A list of entries; of each, sites and settings may be left out, and the kind where `kind` says which is meant. */
export function entriesOption(spec: {
  readonly help: string;
  readonly default: readonly Entry[];
  readonly kind?: string;
}): Option<readonly Entry[]> {
  const { help, kind } = spec;
  return {
    help,
    default: spec.default,
    placeholder: "json",
    check: (value, flag) =>
      (Array.isArray(value) ? value : [value]).map((one: unknown) => parseEntry(one, flag, kind)),
  };
}

const known = ["kind", "sites", "settings"];

function parseEntry(value: unknown, flag: string, only: string | undefined): Entry {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const wanted = "an object with kind, sites and settings";
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: flag, wanted, found: valueText(value) });
  }
  const entry = value as Readonly<Record<string, unknown>>;
  const strange = Object.keys(entry).find((key) => !known.includes(key));
  if (strange !== undefined) {
    throw inputError("OPTION_UNKNOWN", {}, { option: strange, owner: flag, allowed: known });
  }
  const { sites, settings = {} } = entry;
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
    const wanted = "settings by name";
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: flag, wanted, found: valueText(settings) });
  }
  const isUsual = sites === undefined || (Array.isArray(sites) && sites.length === 0);
  return {
    kind: only ?? kindOption.check(entry["kind"], flag),
    sites: isUsual ? [] : sitesOption.check(sites, flag),
    settings: settings as Entry["settings"],
  };
}
