import type { SiteRef } from "../../sites/site.ts";
import type { DecoderView } from "../decoder.ts";
import { projectionsOf } from "../linear/projections.ts";

/** How many features a projection of a decoder has; null where there is none. */
export function widthIn(view: DecoderView, { layer, copy, site: kind }: SiteRef): number | null {
  const blocks = view.layers
    .filter((one) => one.index === layer && one.copy === copy)
    .flatMap(({ attention, mlp }) => [attention, mlp])
    .filter((block) => block !== null && block.kind !== "site");
  const parts = blocks.flatMap((block) => projectionsOf(block).flatMap(({ parts: all }) => all));
  return parts.find(({ site }) => site === kind)?.width ?? null;
}
