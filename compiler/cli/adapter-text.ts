import type { SiteRef } from "../sites/site.ts";
import type { AdapterListing } from "../compile/adapter/list.ts";
import type { AdapterFormat } from "../weights/adapter-file.ts";
import { fingerprintName } from "../weights/fingerprint.ts";
import { isOutside, moduleOf, parseSiteName } from "../sites/names.ts";
import { grouped } from "./output.ts";

/** What the formats are called. */
export const formatNames: Readonly<Record<AdapterFormat, string>> = {
  safetensors: "safetensors",
  torch: "PyTorch checkpoint",
  peft: "PEFT folder",
  onnx_adapter: ".onnx_adapter",
};

/** Rows that say what is in an adapter: a line for each kind and its settings. */
export function adapterRows(adapter: AdapterListing): readonly (readonly [string, string])[] {
  const lines = new Map<string, string[]>();
  for (const [text, parts] of groupBy(
    adapter.parts,
    ({ kind, settings }) => `${kind} ${settingsText(settings)}`,
  )) {
    const [kind = "", ...settings] = text.split(" ");
    const line = `${sitesText(parts.flatMap(({ site }) => parseSiteName(site) ?? []))}  ${settings.join(" ")}`;
    lines.set(kind, [...(lines.get(kind) ?? []), line]);
  }
  return [
    ...[...lines].map(([kind, texts]) => [kind, texts.join("\n")] as const),
    ["parameters", parametersText(adapter)],
    ...(Object.keys(adapter.overrides).length === 0 ? [] : [["overrides", overridesText(adapter)] as const]),
    ["base", adapter.base === null ? "unknown" : fingerprintName(adapter.base)],
  ];
}

/** `rank 4, alpha 8`. What is off or 0, which stands for the usual, is left out. */
export function settingsText(settings: Readonly<Record<string, unknown>>): string {
  return Object.entries(settings)
    .filter(([, value]) => value !== false && value !== 0)
    .map(([name, value]) =>
      value === true ? name : `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`,
    )
    .join(", ");
}

/** `q_proj,v_proj@0-5 mlp@0-3+8` */
function sitesText(sites: readonly SiteRef[]): string {
  const outside = sites.filter(({ site }) => isOutside(site)).map(({ site }) => site);
  const byModule = groupBy(
    sites.filter(({ site }) => !isOutside(site)),
    ({ site, copy }) => shortModule(site, copy),
  );
  const byLayers = groupBy(byModule, ([, refs]) => rangesText(refs.map(({ layer }) => layer)));
  const inside = byLayers.map(([layers, modules]) => `${modules.map(([name]) => name).join(",")}@${layers}`);
  return [...outside, ...inside].join(" ");
}

function shortModule(site: SiteRef["site"], copy: number): string {
  if (copy === 0) return site;
  return site === "attn" ? `attn_${copy}` : moduleOf(site, copy);
}

/** `0-3+8` */
export function rangesText(layers: readonly number[]): string {
  const ranges: [from: number, to: number][] = [];
  for (const layer of layers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && layer === last[1] + 1) last[1] = layer;
    else if (layer !== last?.[1]) ranges.push([layer, layer]);
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join("+");
}

function parametersText({ parameters: { leaves, overrides }, dtypes }: AdapterListing): string {
  const more = overrides === 0 ? "" : `, and ${grouped(overrides)} of the base`;
  return `${grouped(leaves)}${more}, ${dtypes.join(" and ")}`;
}

/** `self_attn.q_proj.weight@0-5, model.norm.weight` */
function overridesText({ overrides }: AdapterListing): string {
  const named = Object.keys(overrides).map((name) => {
    const [, layer, rest = name] = /^model\.layers\.(\d+)\.(.*)$/.exec(name) ?? [];
    return { rest, layer };
  });
  return groupBy(named, ({ rest }) => rest)
    .map(([rest, all]) => {
      const layers = all.flatMap(({ layer }) => (layer === undefined ? [] : [Number(layer)]));
      return layers.length === 0 ? rest : `${rest}@${rangesText(layers)}`;
    })
    .join(", ");
}

/** Items by a key that they share, in the order in which the keys occur first. */
export function groupBy<T>(
  items: Iterable<T>,
  keyOf: (item: T) => string,
): readonly (readonly [string, T[]])[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return [...groups];
}
