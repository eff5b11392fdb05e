import type { Value } from "../ir/value.ts";
import type { Attention } from "./attention/attention.ts";
import { MaskReader, type Visibility } from "./attention/visibility.ts";
import type { DecoderView } from "./decoder.ts";
import { knownShapes } from "./known-shapes.ts";

/** What each attention block of a decoder sees, as far as the masks' own graphs prove it. */
export function visibilitiesOf(view: DecoderView): ReadonlyMap<Attention, Visibility> {
  const blocks = view.layers.flatMap(({ attention }) => (attention?.kind === "attention" ? [attention] : []));
  const reader = new MaskReader(knownShapes(view));
  const pasts = blocks.flatMap(pastOf);
  return new Map(
    blocks.map((block) => [block, reader.read(block.mask, block.cache === null ? [] : pasts)] as const),
  );
}

function pastOf({ cache }: Attention): Value[] {
  const past = cache?.pastKey ?? cache?.pastValue ?? null;
  return past === null ? [] : [past];
}
