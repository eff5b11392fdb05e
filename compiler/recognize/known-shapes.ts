import type { Value } from "../ir/value.ts";
import type { DecoderView } from "./decoder.ts";
import type { ShapeLike, ShapesLike } from "./symbolic/shapes.ts";

/** What is known of shapes by what was recognized: a block keeps its input's shape, a projection changes the last axis. */
export function knownShapes({ layers }: DecoderView): ShapesLike {
  return new Map(layers.flatMap(({ attention, mlp }) => [attention, mlp].flatMap(shapesIn)));
}

function shapesIn(
  block: DecoderView["layers"][number]["attention" | "mlp"],
): (readonly [Value, ShapeLike])[] {
  if (block === null || block.kind === "site") return [];
  const linears = block.kind === "attention" ? [block.q, block.k, block.v] : [];
  return [
    ...linears.map(({ output, input, outFeatures }) => [output, { of: input, width: outFeatures }] as const),
    [block.region.output, { of: block.region.input }],
  ];
}
