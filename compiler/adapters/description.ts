import { inputError } from "../diagnostics/error.ts";
import { jsonText } from "../pass/options.ts";

/** What is in a compiled model or a file: one adapter. */
export interface Described {
  /** `model.layers.0.mlp` */
  readonly site: string;
  readonly kind: string;
  readonly settings: object;
  /** Whether it stands in place of what the base has there, and not beside it; only in files. */
  readonly replaces?: boolean;
}

/** The adapters of a compiled model or of a file, as its metadata tells: sites grouped by kind and settings. */
export interface AdapterDescription {
  readonly version: 1;
  /** Where the weights are; only in compiled models. */
  readonly residence?: string;
  /** How many adapters each site has; only in banks. */
  readonly members?: number;
  /** What the bank's members are called, by their ids; only where they were loaded from files. */
  readonly names?: readonly string[];
  readonly parts: readonly {
    readonly kind: string;
    /** Options of the kind, such as `{ rank: 8 }`. */
    readonly settings: Readonly<Record<string, unknown>>;
    /** `model.layers.0.mlp`, … */
    readonly sites: readonly string[];
    /** Whether they stand in place of what the base has there; only in files. */
    readonly replaces?: boolean;
  }[];
}

/** Whether a graph takes adapters as inputs, such as must be fed or such as may be. */
export function takesInputs(residence: string | undefined): boolean {
  return residence === "inputs" || residence === OPTIONAL_INPUTS;
}

/** Inputs that have defaults: of size zero, which is the base. */
export const OPTIONAL_INPUTS = "optional-inputs";

/** The text for a compiled model or a file. */
export function describeAdapters(
  adapters: readonly Described[],
  where: {
    readonly residence?: string;
    readonly members?: number;
    readonly names?: readonly string[];
  } = {},
): string {
  const groups = new Map<string, Omit<Described, "site"> & { readonly sites: Set<string> }>();
  for (const { site, kind, settings, replaces = false } of adapters) {
    const key = `${kind} ${String(replaces)} ${JSON.stringify(settings)}`;
    const group = groups.get(key) ?? { kind, settings, replaces, sites: new Set() };
    groups.set(key, group);
    group.sites.add(site);
  }
  const { residence, members, names = [] } = where;
  return JSON.stringify({
    version: 1,
    ...(residence === undefined ? {} : { residence }),
    ...(residence === "bank" ? { members } : {}),
    ...(residence === "bank" && names.length > 0 ? { names } : {}),
    parts: [...groups.values()].map(({ kind, settings, replaces, sites }) => ({
      ...{ kind, settings, sites: [...sites] },
      ...(replaces === true ? { replaces } : {}),
    })),
  });
}

/**
 * One description of what a compiled model says, as the file that holds all its weights has it.
 *
 * @param beside what it says of adapters
 * @param replaced what it says of what stands in place of projections
 */
export function mergeDescriptions(beside: string | undefined, replaced: string | undefined): string {
  const [adapters = [], others = []] = [beside, replaced].map((text) =>
    text === undefined ? [] : [parseDescription(text, (why) => new Error(`a description with ${why}`))],
  );
  const bank = adapters.find(({ residence }) => residence === "bank");
  const parts = [
    ...adapters.flatMap((one) => one.parts),
    ...others.flatMap((one) => one.parts.map((part) => ({ ...part, replaces: true }))),
  ];
  // Where a bank's weights are is said in its file, too: stacked leaves are no adapter's.
  return JSON.stringify({
    version: 1,
    ...(bank === undefined ? {} : { residence: bank.residence, members: bank.members }),
    parts,
  });
}

/**
 * Reads a description.
 *
 * @param fail makes the error of what is no description
 * @throws what `fail` makes
 */
export function parseDescription(
  text: string,
  fail: (why: string, cause?: unknown) => Error,
): AdapterDescription {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw fail("text that is not JSON", cause);
  }
  if (!isRecord(json)) throw fail("something other than a JSON object");
  const { version, residence, members, names, parts } = json;
  if (version !== 1) throw fail(`version ${shown(version)}`);
  if (residence !== undefined && typeof residence !== "string") throw fail(`a residence ${shown(residence)}`);
  if (members !== undefined && !Number.isSafeInteger(members)) throw fail(`members ${shown(members)}`);
  if (names !== undefined && !(isTexts(names) && names.length === members && new Set(names).size === members))
    throw fail(`names ${shown(names)}, which are not one for each of ${shown(members)} members`);
  if (!Array.isArray(parts)) throw fail("no list of parts");
  return {
    version,
    ...(residence === undefined ? {} : { residence }),
    ...(members === undefined ? {} : { members: Number(members) }),
    ...(names === undefined ? {} : { names }),
    parts: parts.map((part: unknown) => parsePart(part, fail)),
  };
}

function parsePart(part: unknown, fail: (why: string) => Error): AdapterDescription["parts"][number] {
  const { kind, settings, sites, replaces } = isRecord(part) ? part : {};
  if (typeof kind !== "string") throw fail(`the adapter kind ${shown(kind)}`);
  const of = `a part of kind ${kind.slice(0, SHOWN)}`;
  if (!isRecord(settings)) throw fail(`${of} without settings`);
  if (Object.values(settings).some((value) => typeof value === "object" && value !== null))
    throw fail(`${of} with settings that are no plain values`);
  if (!isTexts(sites)) throw fail(`${of} without a list of sites`);
  if (replaces !== undefined && typeof replaces !== "boolean")
    throw fail(`${of} that replaces ${shown(replaces)}, which is neither true nor false`);
  return { kind, settings, sites, ...(replaces === true ? { replaces } : {}) };
}

/** A description in a model's metadata; null where it has none. @throws TfcError ADAPTER_METADATA_INVALID */
export function describedIn(
  meta: ReadonlyMap<string, string>,
  key: string,
  file: string,
): AdapterDescription | null {
  const text = meta.get(key);
  if (text === undefined) return null;
  return parseDescription(text, (why, cause) =>
    inputError("ADAPTER_METADATA_INVALID", { file, name: key }, { why, of: "model" }, cause),
  );
}

/** How many adapters of each kind there are, and where their weights are: `12 scalarlm, in a bank of 3`. */
export function countsText({ parts, residence, members }: AdapterDescription): string {
  const counts = new Map<string, number>();
  for (const { kind, sites } of parts) counts.set(kind, (counts.get(kind) ?? 0) + sites.length);
  const text = [...counts].map(([kind, count]) => `${count} ${kind}`).join(", ");
  if (residence === OPTIONAL_INPUTS) return `${text}, as optional graph inputs`;
  if (residence === "inputs") return `${text}, as graph inputs`;
  return residence === "bank" ? `${text}, in a bank of ${members ?? 0}` : text;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Characters of a value that a message shows: it may be as long as the file. */
const SHOWN = 200;

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : jsonText(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
