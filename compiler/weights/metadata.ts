import { describeAdapters } from "../adapters/description.ts";
import { adapterKinds } from "../adapters/index.ts";
import { ADAPTER_KEY } from "../adapters/kind.ts";
import { inputError, type TfcError } from "../diagnostics/error.ts";
import type { AdapterFile } from "./adapter-file.ts";
import { BASE_KEY } from "./fingerprint.ts";
import { isRecord, jsonText } from "./json-values.ts";
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
  const described = parts.map(({ site, kind, settings }) => ({ site: siteName(site), kind, settings }));
  return new Map([
    ["format", "pt"],
    [ADAPTER_KEY, describeAdapters(described)],
    ...(isOwn ? [[HEAD_KEY, "own"] as const] : []),
    ...(base === null ? [] : [[BASE_KEY, base] as const]),
  ]);
}

/** What the metadata of a file say of a part; null where they say nothing of adapters. */
export type Statement = (draft: Draft) => Readonly<Record<string, unknown>>;

/**
 * Reads what {@link adapterMetadata} wrote, and checks it against the leaves that are there.
 *
 * @throws TfcError ADAPTER_METADATA_INVALID
 */
export function readMetadata(
  file: string,
  metadata: ReadonlyMap<string, string>,
  drafts: readonly Draft[],
): Statement | null {
  const text = metadata.get(ADAPTER_KEY);
  if (text === undefined) return null;
  const stated = new Map<string, Readonly<Record<string, unknown>>>();
  for (const { kind, settings, sites } of parse(file, text)) {
    for (const site of sites) {
      const ref = siteOfModule(site);
      if (ref === null) throw invalid(file, `a site ${jsonText(site)}`);
      const key = `${siteKey(ref)} ${kind}`;
      if (stated.has(key)) throw invalid(file, `${site} twice`);
      stated.set(key, settings);
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
  return (draft) => stated.get(keyOf(draft)) ?? {};
}

function keyOf({ site, kind }: Draft): string {
  return `${siteKey(site)} ${kind.name}`;
}

interface Group {
  readonly kind: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly sites: readonly string[];
}

function parse(file: string, text: string): readonly Group[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(file, "text that is not JSON", cause);
  }
  if (!isRecord(json)) throw invalid(file, "something other than a JSON object");
  if (json["version"] !== 1) throw invalid(file, `version ${jsonText(json["version"])}`);
  if (json["residence"] === "bank") {
    throw invalid(file, `a bank of ${jsonText(json["members"])} adapters, whose leaves are stacked`);
  }
  const parts = json["parts"];
  if (!Array.isArray(parts)) throw invalid(file, "no list of parts");
  return parts.map((part: unknown) => {
    const { kind, settings, sites } = isRecord(part) ? part : {};
    if (typeof kind !== "string" || !adapterKinds.has(kind)) {
      throw invalid(file, `the adapter kind ${jsonText(kind)}`);
    }
    if (!isRecord(settings)) throw invalid(file, `a part of kind ${kind} without settings`);
    if (Object.values(settings).some((value) => typeof value === "object" && value !== null)) {
      throw invalid(file, `a part of kind ${kind} with settings that are no plain values`);
    }
    if (!Array.isArray(sites) || !sites.every((site) => typeof site === "string")) {
      throw invalid(file, `a part of kind ${kind} without a list of sites`);
    }
    return { kind, settings, sites };
  });
}

function invalid(file: string, why: string, cause?: unknown): TfcError {
  return inputError("ADAPTER_METADATA_INVALID", { file, name: ADAPTER_KEY }, { why }, cause);
}
