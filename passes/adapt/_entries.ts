import { freshAdapters, optionsOfKind, type Fresh } from "../../compiler/adapters/index.ts";
import { siteList, type Selector } from "../../compiler/sites/selector.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { checkOptions, choice, valueText, type Option } from "../../compiler/pass/options.ts";

/** Fresh adapters of one kind at some sites. */
export interface Entry {
  /** A kind's name, or that of a form of one. */
  readonly kind: string;
  /** Empty for those where the kind usually goes. */
  readonly sites: readonly Selector[];
  /** The kind's own options, checked by its schema. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const sitesOption = siteList({ help: "" });

/**
 * A list of entries; of each, sites and settings may be left out, and the kind where only one is meant.
 *
 * @param spec.only the kind that is meant, and where it goes when nobody says where
 */
export function entriesOption(spec: {
  readonly help: string;
  readonly default: readonly Entry[];
  readonly only?: Only;
}): Option<readonly Entry[]> {
  const { help, only } = spec;
  return {
    help,
    default: spec.default,
    placeholder: "json",
    check: (value, flag) =>
      Array.isArray(value)
        ? value.map((one: unknown, i) => parseEntry(one, `${flag}[${i}]`, only))
        : [parseEntry(value, flag, only)],
  };
}

interface Only {
  readonly kind: string;
  readonly sites: string;
}

const known = ["kind", "sites", "settings"];

function parseEntry(value: unknown, label: string, only: Only | undefined): Entry {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const wanted = "an object with kind, sites and settings";
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: label, wanted, found: valueText(value) });
  }
  const entry = value as Readonly<Record<string, unknown>>;
  // Of an entry that options make up, what they say is said by themselves.
  const at = (name: string): string => (label === "" ? name : `${label}.${name}`);
  const strange = Object.keys(entry).find((key) => !known.includes(key));
  if (strange !== undefined) {
    throw inputError("OPTION_UNKNOWN", {}, { option: strange, owner: label, allowed: known });
  }
  const { sites, settings = {} } = entry;
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
    const wanted = "settings by name";
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: label, wanted, found: valueText(settings) });
  }
  const isUsual = sites === undefined || (Array.isArray(sites) && sites.length === 0);
  const where = isUsual ? only?.sites : sites;
  const { name, kind } = freshIn(entry, at("kind"), only);
  const options = optionsOfKind(kind);
  checkOptions(options, { ...settings }, `adapter ${name}`, (setting) => at(`settings.${setting}`));
  return {
    kind: name,
    sites: where === undefined ? [] : sitesOption.check(where, at("sites")),
    settings: settings as Entry["settings"],
  };
}

function freshIn({ kind }: Readonly<Record<string, unknown>>, label: string, only: Only | undefined): Fresh {
  const allowed = only === undefined ? [...freshAdapters.keys()] : [only.kind];
  const option = choice({ help: "", default: allowed[0] ?? "", of: allowed });
  const name = kind === undefined && only !== undefined ? only.kind : option.check(kind, label);
  const found = freshAdapters.get(name);
  if (found === undefined) throw new Error(`there is no kind ${name}`);
  return found;
}
