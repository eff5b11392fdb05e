/** What is in a compiled model or a file: one adapter. */
export interface Described {
  /** `model.layers.0.mlp` */
  readonly site: string;
  readonly kind: string;
  readonly settings: object;
}

/** What stands under {@link ADAPTER_KEY}: sites grouped by kind and settings. */
export interface AdapterDescription {
  readonly version: 1;
  /** Where the weights are; only in compiled models. */
  readonly residence?: string;
  /** How many adapters each site has; only in banks. */
  readonly members?: number;
  readonly parts: readonly {
    readonly kind: string;
    readonly settings: Readonly<Record<string, unknown>>;
    readonly sites: readonly string[];
  }[];
}

/**
 * Reads the text of a compiled model. Models are data from strangers: it may be anything.
 *
 * @returns null for what is no description
 */
export function parseDescription(text: string): AdapterDescription | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  return isDescription(json) ? json : null;
}

function isDescription(json: unknown): json is AdapterDescription {
  if (typeof json !== "object" || json === null) return false;
  const { residence, members, parts } = json as Partial<Record<keyof AdapterDescription, unknown>>;
  return (
    (residence === undefined || typeof residence === "string") &&
    (members === undefined || typeof members === "number") &&
    Array.isArray(parts) &&
    parts.every(isPart)
  );
}

function isPart(part: unknown): boolean {
  if (typeof part !== "object" || part === null) return false;
  const { kind, settings, sites } = part as Readonly<Record<string, unknown>>;
  return (
    typeof kind === "string" &&
    typeof settings === "object" &&
    settings !== null &&
    Array.isArray(sites) &&
    sites.every((site) => typeof site === "string")
  );
}

/** The text for a compiled model or a file. */
export function describeAdapters(
  adapters: readonly Described[],
  where: { readonly residence?: string; readonly members?: number } = {},
): string {
  const groups = new Map<string, { kind: string; settings: object; sites: Set<string> }>();
  for (const { site, kind, settings } of adapters) {
    const key = `${kind} ${JSON.stringify(settings)}`;
    const group = groups.get(key) ?? { kind, settings, sites: new Set() };
    groups.set(key, group);
    group.sites.add(site);
  }
  const { residence, members } = where;
  return JSON.stringify({
    version: 1,
    ...(residence === undefined ? {} : { residence }),
    ...(residence === "bank" ? { members } : {}),
    parts: [...groups.values()].map(({ kind, settings, sites }) => ({ kind, settings, sites: [...sites] })),
  });
}

/** One description of what several say, as the file that holds all their weights has it. */
export function mergeDescriptions(...texts: readonly (string | undefined)[]): string {
  const described = texts.flatMap((text) => {
    const one = text === undefined ? null : parseDescription(text);
    return one === null ? [] : [one];
  });
  const bank = described.find(({ residence }) => residence === "bank");
  const parts = described.flatMap((one) => one.parts);
  // Where a bank's weights are is said in its file, too: stacked leaves are no adapter's.
  return JSON.stringify({
    version: 1,
    ...(bank === undefined ? {} : { residence: bank.residence, members: bank.members }),
    parts,
  });
}
