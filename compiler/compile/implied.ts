import { replaceLinears, type Entry } from "../../passes/index.ts";
import type { SiteKind } from "../sites/site.ts";
import { selects } from "../sites/selector.ts";
import type { AdapterFile } from "../weights/adapter-file.ts";

/** What a file says by itself to stand in place of what the base has. */
export interface Implied {
  readonly file: string;
  readonly sites: number;
  readonly entry: readonly Entry[];
}

/**
 * The parts of files that were trained in place of projections, where the options do not say so: beside the projections
 * they would compute something else.
 *
 * @param replace what options say to replace
 */
export function impliedIn(files: readonly AdapterFile[], replace: readonly Entry[]): readonly Implied[] {
  return files.flatMap(({ file, parts }) => {
    const unsaid = parts.filter(
      ({ site, replaces }) =>
        replaces === true && !replace.some(({ sites }) => sites.some((selector) => selects(selector, site))),
    );
    if (unsaid.length === 0) return [];
    const layersOf = new Map<SiteKind, (readonly [number, number])[]>();
    for (const { site } of unsaid)
      layersOf.set(site.site, [...(layersOf.get(site.site) ?? []), [site.layer, site.layer]]);
    const sites = [...layersOf].map(([site, layers]) => ({ site, layers }));
    const entry = replaceLinears.options.entries.check([{ sites }], "load");
    return [{ file, sites: unsaid.length, entry }];
  });
}
