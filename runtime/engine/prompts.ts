import type { DecoderGraph } from "./graph.ts";
import type { Row } from "./row.ts";

/** Tokens of one run of several prompts, padding included. */
const MOST_TOKENS = 2048;

/** How many times as long as the shortest prompt of a run its longest may be, where the short ones are padded. */
const MOST_UNEQUAL = 2;

/**
 * The prompts at the head of the queue that may run at once: of one adapter where adapters are inputs, of lengths that
 * waste little, and one alone where the graph takes no more.
 *
 * @param room rows that may be added
 */
export function nextPrompts(graph: DecoderGraph, queue: readonly Row[], room: number): readonly Row[] {
  const [first] = queue;
  if (first === undefined) return [];
  if (graph.isSingle || graph.step === 1) return [first];
  const rows = [first];
  let [shortest, longest] = [first.ids.length, first.ids.length];
  for (const row of queue.slice(1)) {
    if (rows.length >= room) break;
    if (row.adapter !== first.adapter) continue;
    const [least, most] = [Math.min(shortest, row.ids.length), Math.max(longest, row.ids.length)];
    if (most * (rows.length + 1) > MOST_TOKENS || !mayPad(graph, least, most)) continue;
    [shortest, longest] = [least, most];
    rows.push(row);
  }
  return rows;
}

function mayPad({ isFlat, takesPadding }: DecoderGraph, shortest: number, longest: number): boolean {
  return shortest === longest || isFlat || (takesPadding && longest <= MOST_UNEQUAL * shortest);
}
