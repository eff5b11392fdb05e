import { inputError } from "../diagnostics/error.ts";
import { projectionsIn, siteKey, siteName } from "../sites/names.ts";
import type { SiteRef } from "../sites/site.ts";
import type { AdapterFile } from "./adapter-file.ts";

/**
 * Refuses an adapter that has no leaf at a site of the model where, by its own words, its model has one: it was trained
 * for another.
 *
 * @param sites of the model, as far as adapters can stand there
 * @throws TfcError ADAPTER_BASE_OTHER
 */
export function checkExpected(
  { file, parts, expects }: Pick<AdapterFile, "file" | "parts" | "expects">,
  sites: readonly SiteRef[],
  pass?: string,
): void {
  if (expects === undefined) return;
  const there = new Set(
    parts.flatMap(({ site }) =>
      [site, ...projectionsIn(site.site).map((one) => ({ ...site, site: one }))].map(siteKey),
    ),
  );
  const missing = sites.filter((site) => !there.has(siteKey(site)) && expects(site));
  const [first] = missing;
  if (first === undefined) return;
  const layers = new Set(parts.map(({ site }) => site.layer)).size;
  const place = { file, name: siteName(first), ...(pass === undefined ? {} : { pass }) };
  throw inputError("ADAPTER_BASE_OTHER", place, { layers, missing: missing.map((site) => siteName(site)) });
}
