import { keyOf, type Expression } from "../symbolic/expression.ts";
import type { Polynomial } from "../symbolic/polynomial.ts";
import type { Inexact } from "./exact.ts";
import { isSameTable } from "./rotary-counted.ts";
import { TOKEN, type LastRotary } from "./rotary-last.ts";

/** A rotary embedding of queries and keys alike, by tables of positions that follow the past's. */
export interface CountedRotary {
  readonly query: LastRotary;
  readonly key: LastRotary;
}

/**
 * Proves that queries and keys are turned by the same tables, and that the positions of new tokens are the numbers of
 * their places behind the past, in all rows: what an attention op with a cache turns by itself.
 *
 * @param pasts how many tokens came before, in each way that the graph may have it
 */
export function countedRotary(
  query: LastRotary,
  key: LastRotary,
  pasts: readonly Polynomial[],
): CountedRotary | Inexact {
  for (const { position } of [query.cos, query.sin, key.cos, key.sin])
    if (!isCounted(position, pasts)) return { why: `positions are ${positionText(position)}` };
  const isAlike =
    query.rotaryDim === key.rotaryDim &&
    query.interleaved === key.interleaved &&
    isSameTable(query.cos, key.cos) &&
    isSameTable(query.sin, key.sin);
  if (!isAlike) return { why: "queries and keys are turned by different tables" };
  return { query, key };
}

function isCounted(position: Expression, pasts: readonly Polynomial[]): boolean {
  return position.kind === "integer" && pasts.some((past) => position.value.equals(past.plus(TOKEN)));
}

function positionText(position: Expression): string {
  if (position.kind === "element") return `what the input "${position.value.name ?? ""}" says`;
  if (position.kind === "unknown") return `computed, by ${position.why}`;
  return `${keyOf(position)}, not counted from the past`;
}
