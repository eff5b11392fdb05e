import type { Value } from "../ir/value.ts";
import type { Attention } from "./attention/attention.ts";
import { MaskReader, type Visibility } from "./attention/visibility.ts";
import type { DecoderView } from "./decoder.ts";
import { knownShapes } from "./known-shapes.ts";
import { Elements } from "./symbolic/elements.ts";
import type { Shapes } from "./symbolic/shapes.ts";

/** What each attention block of a decoder sees, as far as the masks' own graphs prove it. */
export function visibilitiesOf(view: DecoderView): ReadonlyMap<Attention, Visibility> {
  const blocks = blocksOf(view);
  const like = knownShapes(view);
  const reader = new MaskReader(like);
  const { shapes } = new Elements(like);
  const pasts = blocks.flatMap(pastOf);
  return new Map(
    blocks.map((block) => {
      const before = block.cache === null ? [] : pasts;
      return [block, reader.read(block.mask, before, isSingle(block, shapes))] as const;
    }),
  );
}

/** Whether queries and keys are made of one token a row, no more: `[rows, 1, features]`. */
function isSingle({ q, k }: Attention, shapes: Shapes): boolean {
  return [q, k].every(({ output }) => {
    const sizes = shapes.of(output);
    return sizes?.length === 3 && sizes[1]?.constant === 1;
  });
}

/** What attention blocks have kept of the tokens before, keys of each layer. */
export function pastsOf(view: DecoderView): readonly Value[] {
  return blocksOf(view).flatMap(pastOf);
}

function blocksOf({ layers }: DecoderView): readonly Attention[] {
  return layers.flatMap(({ attention }) => (attention?.kind === "attention" ? [attention] : []));
}

function pastOf({ cache }: Attention): Value[] {
  const past = cache?.pastKey ?? cache?.pastValue ?? null;
  return past === null ? [] : [past];
}
