import type { SiteRef } from "../../sites/site.ts";
import type { DecoderView } from "../decoder.ts";
import { blocksOf } from "../layers.ts";
import { projectionsOf } from "../linear/projections.ts";

/** How many features a projection of a decoder has; null where there is none. */
export function widthIn(view: DecoderView, { layer, copy, site: kind }: SiteRef): number | null {
  const layers = view.layers.filter((one) => one.index === layer && one.copy === copy);
  const parts = layers
    .flatMap(blocksOf)
    .flatMap(projectionsOf)
    .flatMap(({ parts: all }) => all);
  return parts.find(({ site }) => site === kind)?.width ?? null;
}
