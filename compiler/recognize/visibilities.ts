import type { Value } from "../ir/value.ts";
import type { Attention } from "./attention/attention.ts";
import { MaskReader, type Visibility } from "./attention/visibility.ts";
import type { DecoderView } from "./decoder.ts";

/** What each attention block of a decoder sees, as far as the masks' own graphs prove it. */
export function visibilitiesOf({ layers }: DecoderView): ReadonlyMap<Attention, Visibility> {
  const blocks = layers.flatMap(({ attention }) => (attention?.kind === "attention" ? [attention] : []));
  const reader = new MaskReader(
    new Map(layers.flatMap(({ attention, mlp }) => [attention, mlp].flatMap(cutOf))),
  );
  const pasts = blocks.flatMap(pastOf);
  return new Map(
    blocks.map((block) => [block, reader.read(block.mask, block.cache === null ? [] : pasts)] as const),
  );
}

/** What a block makes has the shape of its input. */
function cutOf(block: DecoderView["layers"][number]["attention" | "mlp"]): (readonly [Value, Value])[] {
  return block !== null && "region" in block ? [[block.region.output, block.region.input]] : [];
}

function pastOf({ cache }: Attention): Value[] {
  const past = cache?.pastKey ?? cache?.pastValue ?? null;
  return past === null ? [] : [past];
}
