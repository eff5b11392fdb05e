import type { Value } from "../../ir/value.ts";
import { has } from "../../ops/table.ts";
import { commonSource, sourcesOf, viewChain } from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import type { Linear } from "../linear/linear.ts";
import type { Anchor } from "./anchor.ts";

/**
 * Multi-head latent attention, as DeepSeek has it: keys and values are projected up from one narrow value, beside
 * which lies the part of the keys that is turned by position. Queries may be projected down and up, too.
 */
export interface Latent {
  /** From the block's input to what queries are projected up from; null where they are projected at once. */
  readonly queryDown: Linear | null;
  /** From the block's input to the narrow value, and to the part of the keys that all heads share. */
  readonly down: Linear;
  /** From the narrow value to keys and values. */
  readonly up: Linear;
  /** Whether the cache holds the narrow value: what is projected up has more steps than the block's input. */
  readonly isCached: boolean;
}

/** The projections of latent attention; null for attention that is none, or that is not understood. */
export function recognizeLatent(
  anchor: Anchor,
  index: GraphIndex,
): { readonly q: Linear; readonly latent: Latent } | null {
  const [q, ...others] = sourcesOf(anchor.query, index).linears;
  const keys = [...sourcesOf(anchor.key, index).linears];
  const [up, ...more] = sourcesOf(anchor.value, index).linears;
  if (q === undefined || up === undefined || others.length > 0 || more.length > 0) return null;
  const down = keys.find((linear) => linear !== up);
  if (keys.length !== 2 || down === undefined || !keys.includes(up)) return null;
  const narrow = sourcesOf(up.input, index);
  if (narrow.linears.size !== 1 || !narrow.linears.has(down)) return null;
  const isPlain = commonSource([q.input, down.input]) !== null;
  const queryDown = isPlain ? null : queryDownOf(q, down, index);
  if (queryDown === undefined) return null;
  return { q, latent: { queryDown, down, up, isCached: narrow.inputs.size > 0 } };
}

/** Undefined where queries come from something else. */
function queryDownOf(q: Linear, down: Linear, index: GraphIndex): Linear | undefined {
  const [found, ...more] = sourcesOf(q.input, index).linears;
  if (found === undefined || more.length > 0) return undefined;
  return commonSource([found.input, down.input]) === null ? undefined : found;
}

/**
 * The normalized values that queries, and keys and values, are projected up from: without the steps of the cache that
 * are joined with the second.
 */
export function latentNorms(
  { queryDown, up }: Latent,
  q: Linear,
): { readonly q: Value | null; readonly kv: Value } {
  const join = viewChain(up.input).at(-1)?.producer ?? null;
  const fresh =
    join !== null && has(join, "join-past") ? join.inputs.findLast((value) => value?.producer) : null;
  return { q: queryDown === null ? null : q.input, kv: (fresh && viewChain(fresh).at(-1)) ?? up.input };
}

/** The projections of latent attention that an ordinary one has not, by the names Hugging Face gives their kind. */
export function latentLinears({ queryDown, down }: Latent): readonly Linear[] {
  return queryDown === null ? [down] : [queryDown, down];
}
