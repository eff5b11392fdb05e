import type { AdapterDescription } from "../../../adapters/description.ts";
import { Sink } from "../../../diagnostics/sink.ts";
import { isFloat } from "../../../ir/dtype.ts";
import { openModel } from "../../../onnx/open.ts";
import { isPacked, parseSiteName, siteKey, siteName } from "../../../sites/names.ts";
import type { AdapterFile } from "../../../weights/adapter-file.ts";
import { convert } from "../../../weights/convert.ts";

/**
 * What a compiled graph holds that an adapter's file does not, or the other way round, as a clause; null where both are
 * alike as far as can be seen: the weights of banks and of inputs are not looked at.
 */
export function otherWeights(
  compiled: string,
  { residence, parts }: AdapterDescription,
  adapter: AdapterFile,
): string | null {
  const there = new Set(
    parts
      .flatMap(({ sites }) => sites)
      .map((site) => {
        const ref = parseSiteName(site);
        return ref === null ? site : siteKey(ref);
      }),
  );
  // What is packed in the file stands at projections in the graph.
  if (adapter.parts.some(({ site }) => isPacked(site.site))) return null;
  const lacking = adapter.parts.find(({ site }) => !there.has(siteKey(site)));
  if (lacking !== undefined)
    return `the graph has no adapter at ${siteName(lacking.site)}, which the file has`;
  if (residence !== "baked") return null;
  const own = new Set(adapter.parts.map(({ site }) => siteKey(site)));
  const more = [...there].find((site) => !own.has(site));
  if (more !== undefined) return `the graph has an adapter in layer ${more}, where the file has none`;
  const constants = new Map(
    [...openModel(compiled, new Sink()).model.graph.initializers].map(({ name, constant }) => [
      name,
      constant,
    ]),
  );
  for (const { site, leaves } of adapter.parts) {
    for (const [leaf, tensor] of leaves) {
      const name = `${siteName(site)}.${leaf}`;
      const constant = constants.get(name);
      if (constant === undefined || !isFloat(constant.dtype)) continue;
      const wanted = convert(tensor.bytes(), tensor.dtype, constant.dtype);
      if (Buffer.compare(wanted, constant.bytes()) !== 0)
        return `the graph has another ${name} than the file`;
    }
  }
  return null;
}
