import { describeAdapters, parseDescription, type AdapterDescription } from "../adapters/description.ts";
import { adapterKinds } from "../adapters/index.ts";
import { ADAPTER_KEY } from "../adapters/kind.ts";
import { pattention } from "../adapters/pattention.ts";
import { inputError, type TfcError } from "../diagnostics/error.ts";
import type { AdapterFile } from "./adapter-file.ts";
import { BASE_KEY } from "./base.ts";
import { jsonText } from "./json-values.ts";
import { siteOfModule } from "./names/parameters.ts";
import { siteKey, siteName } from "../sites/names.ts";
import type { Draft } from "./names/sort.ts";

/** Metadata key, "own" where {@link AdapterFile.headFollows} is false. */
export const HEAD_KEY = "tfc.head";

/** The embeddings, which a head may share. */
export const EMBEDDINGS = "model.embed_tokens.weight";

/** Whether embeddings are overridden without a head: then it matters whether the head follows. */
export function isHeadMissing({ overrides }: AdapterFile): boolean {
  return overrides.has(EMBEDDINGS) && !overrides.has("lm_head.weight");
}

/** What an adapter file of tfc says beside its tensors. */
export function adapterMetadata(adapter: AdapterFile): ReadonlyMap<string, string> {
  const { parts, base } = adapter;
  const isOwn = !adapter.headFollows && isHeadMissing(adapter);
  const described = parts.map(({ site, kind, settings, replaces = false }) => ({
    ...{ site: siteName(site), kind, settings, replaces },
  }));
  return new Map([
    ["format", "pt"],
    [ADAPTER_KEY, describeAdapters(described)],
    ...(isOwn ? [[HEAD_KEY, "own"] as const] : []),
    ...(base === null ? [] : [[BASE_KEY, base] as const]),
  ]);
}

/** What the metadata of a file say of a part. */
export interface Stated {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly replaces: boolean;
}
export type Statement = (draft: Draft) => Stated;

/**
 * Reads what {@link adapterMetadata} wrote, and checks it against the leaves that are there.
 *
 * @returns null where they say nothing of adapters
 * @throws TfcError ADAPTER_METADATA_INVALID
 */
export function readMetadata(
  file: string,
  metadata: ReadonlyMap<string, string>,
  drafts: readonly Draft[],
): Statement | null {
  const text = metadata.get(ADAPTER_KEY);
  if (text === undefined) return null;
  const stated = new Map<string, Stated>();
  for (const { kind, settings, sites, replaces = false } of parse(file, text)) {
    if (replaces && kind !== pattention.name)
      throw invalid(file, `a part of kind ${kind} in place of what the base has there`);
    for (const site of sites) {
      const ref = siteOfModule(site);
      if (ref === null) throw invalid(file, `a site ${jsonText(site)}`);
      const key = `${siteKey(ref)} ${kind}`;
      if (stated.has(key)) throw invalid(file, `${site} twice`);
      stated.set(key, { settings, replaces });
    }
  }
  const keys = new Set(drafts.map(keyOf));
  const left = [...stated.keys()].find((key) => !keys.has(key));
  if (left !== undefined)
    throw invalid(file, `an adapter at ${left.split(" ", 1).join()}, of which there is no leaf`);
  const unsaid = drafts.find((draft) => !stated.has(keyOf(draft)));
  if (unsaid !== undefined) {
    throw invalid(file, `nothing of the ${unsaid.kind.name} leaves at ${siteName(unsaid.site)}`);
  }
  return (draft) => stated.get(keyOf(draft)) ?? unsaidOf;
}

const unsaidOf: Stated = { settings: {}, replaces: false };

function keyOf({ site, kind }: Draft): string {
  return `${siteKey(site)} ${kind.name}`;
}

function parse(file: string, text: string): AdapterDescription["parts"] {
  const { residence, members, parts } = parseDescription(text, (why, cause) => invalid(file, why, cause));
  if (residence === "bank")
    throw invalid(file, `a bank of ${members ?? 0} adapters, whose leaves are stacked`);
  const unknown = parts.find(({ kind }) => !adapterKinds.has(kind));
  if (unknown !== undefined) throw invalid(file, `the adapter kind ${jsonText(unknown.kind)}`);
  return parts;
}

function invalid(file: string, why: string, cause?: unknown): TfcError {
  return inputError("ADAPTER_METADATA_INVALID", { file, name: ADAPTER_KEY }, { why }, cause);
}
