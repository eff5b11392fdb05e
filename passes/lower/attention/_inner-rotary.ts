import type { DType } from "../../../compiler/ir/dtype.ts";
import { rotaryObstacleIn, type AttentionKernel } from "../../../compiler/ops/attention-kernels.ts";
import type { Attention } from "../../../compiler/recognize/attention/attention.ts";
import type { ExactAttention, Inexact } from "../../../compiler/recognize/attention/exact.ts";
import type { GrownCache } from "../../../compiler/recognize/attention/grown.ts";
import { countedRotary, type CountedRotary } from "../../../compiler/recognize/attention/rotary-inside.ts";
import type { LastRotaries } from "../../../compiler/recognize/attention/rotary-last.ts";
import type { Shapes } from "../../../compiler/recognize/symbolic/shapes.ts";
import type { InnerTurn } from "./_grouped-query.ts";
import { tableObstacle } from "./_position-tables.ts";
import type { CountedInputs } from "./_shared-caches.ts";

/** An attention whose queries and keys may be turned inside the op. */
export interface TurnedAttention {
  readonly block: Attention;
  readonly exact: ExactAttention;
  readonly key: GrownCache;
  readonly inputs: CountedInputs;
  readonly dtype: DType;
  /** Of one head. */
  readonly width: number;
}

/** What is known of a graph whose attention turns queries and keys. */
export interface KnownTurns {
  readonly shapes: Shapes;
  readonly rotaries: LastRotaries;
  /** Positions in a cache; null where that is not decided. */
  readonly length: number | null;
}

/** The rotary embedding that the op does by itself; why it does not, where there is one; null where there is none. */
export function innerRotary(
  { block, exact, key, inputs, dtype, width }: TurnedAttention,
  kernel: AttentionKernel,
  { shapes, rotaries, length }: KnownTurns,
): CountedRotary | Inexact | null {
  const [query, turned] = [rotaries.of(exact.query), rotaries.of(key.fresh)];
  if (query === null && turned === null)
    return block.rotary === null ? null : { why: "it is not the last that is done to queries and keys" };
  if (query === null || turned === null) return { why: "of queries and keys only one is turned last" };
  if ("why" in query) return query;
  if ("why" in turned) return turned;
  const steps = shapes.of(exact.query)?.[2];
  const past = shapes.of(key.past)?.[2];
  const total = shapes.of(inputs.mask)?.[1];
  const behind = steps === undefined ? undefined : total?.minus(steps);
  const pasts = [past, behind].filter((one) => one !== undefined);
  const counted = countedRotary(query, turned, pasts);
  if ("why" in counted) return counted;
  const { cos, sin, rotaryDim } = query;
  if (cos.dtype !== dtype || sin.dtype !== dtype) return { why: `it is turned in ${cos.dtype}` };
  const why =
    rotaryObstacleIn(kernel, width, rotaryDim) ??
    (length === null ? null : (tableObstacle(cos, length) ?? tableObstacle(sin, length)));
  return why === null ? counted : { why };
}

/** How the op turns; null where it does not. */
export function turnOf(rotary: CountedRotary | Inexact | null): InnerTurn | null {
  if (rotary === null || "why" in rotary) return null;
  const { rotaryDim, interleaved } = rotary.query;
  return { width: rotaryDim, interleaved };
}
