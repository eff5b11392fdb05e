import { Rewriter } from "../../../ir/rewriter.ts";
import type { PackagedModel } from "../graph.ts";
import type { LayerCache } from "./decoder.ts";

/** Names of a cache's tensors with `%d` for the layer, as onnxruntime-genai wants them. */
export interface CachePatterns {
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

/** What genai itself calls them. */
const standard: CachePatterns = {
  pastKey: "past_key_values.%d.key",
  pastValue: "past_key_values.%d.value",
  presentKey: "present.%d.key",
  presentValue: "present.%d.value",
};

/** Characters that a name may have, from genai's buffer for one. */
const LONGEST = 63;

/**
 * The patterns that the names of a cache follow. Where they follow none, inputs and outputs are given genai's own names.
 *
 * @returns the patterns, and whether the graph was changed
 */
export function cachePatterns(
  { model, inputs, outputs }: PackagedModel,
  caches: readonly LayerCache[],
): { readonly patterns: CachePatterns; readonly renamed: boolean } {
  const named = (name: (cache: LayerCache) => string): Named[] =>
    caches.map((cache) => ({ layer: cache.layer, name: name(cache) }));
  const found = {
    pastKey: patternOf(
      named(({ key }) => key.past.name),
      inputs,
    ),
    pastValue: patternOf(
      named(({ value }) => value.past.name),
      inputs,
    ),
    presentKey: patternOf(
      named(({ key }) => key.present),
      outputs,
    ),
    presentValue: patternOf(
      named(({ value }) => value.present),
      outputs,
    ),
  };
  if (isWhole(found)) return { patterns: found, renamed: false };
  const rw = new Rewriter();
  const rename = (name: string, pattern: string, layer: number): void => {
    const value = [...model.graph.inputs, ...model.graph.outputs].find((one) => one.name === name);
    if (value !== undefined) rw.setName(value, pattern.replace("%d", String(layer)));
  };
  for (const { layer, key, value } of caches) {
    rename(key.past.name, standard.pastKey, layer);
    rename(value.past.name, standard.pastValue, layer);
    rename(key.present, standard.presentKey, layer);
    rename(value.present, standard.presentValue, layer);
  }
  return { patterns: standard, renamed: true };
}

interface Named {
  readonly layer: number;
  readonly name: string;
}

function isWhole(patterns: {
  readonly [K in keyof CachePatterns]: string | null;
}): patterns is CachePatterns {
  return Object.values(patterns).every((pattern) => pattern !== null);
}

/**
 * The pattern of some names: `past.%d.key` for past.0.key and past.1.key. genai also takes by its beginning and end what
 * belongs to a pattern, so that no other tensor may fit.
 */
function patternOf(names: readonly Named[], ports: readonly { readonly name: string }[]): string | null {
  const [first] = names;
  if (first === undefined || first.name.includes("%")) return null;
  for (const { index } of first.name.matchAll(/\d+/g)) {
    const start = first.name.slice(0, index);
    const end = first.name.slice(index).replace(/^\d+/, "");
    const fits = names.every(
      ({ layer, name }) => name === `${start}${layer}${end}` && name.length <= LONGEST,
    );
    const all = ports.filter(
      ({ name }) => name.length > start.length + end.length && name.startsWith(start) && name.endsWith(end),
    );
    if (fits && all.length === names.length) return `${start}%d${end}`;
  }
  return null;
}
