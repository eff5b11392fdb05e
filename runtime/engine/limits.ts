import { inputError } from "../../compiler/diagnostics/error.ts";
import type { DecoderGraph } from "./graph.ts";
import type { EngineRequest } from "./messages.ts";

/** Tokens that a prompt and its answer may have together: what the graph holds, or what its makers say. */
export function contextOf({ room }: Pick<DecoderGraph, "room">, said: number | null): number | null {
  if (room === null || said === null) return room ?? said;
  return Math.min(room, said);
}

/**
 * A look at a request before it waits: a token that the graph has not would fail in its run, or count from the
 * vocabulary's end.
 *
 * @returns how many tokens its answer may have
 * @throws TfcError PROMPT_EMPTY, PROMPT_TOO_LONG, TOKEN_UNKNOWN, ADAPTER_IDS_RANGE
 */
export function checkRequest(
  graph: Pick<DecoderGraph, "session" | "vocabulary" | "adapters" | "room">,
  { prompt, maxNewTokens, adapter }: EngineRequest,
  context: number | null,
): number {
  const { session, vocabulary } = graph;
  const { file } = session;
  if (prompt.length === 0) throw inputError("PROMPT_EMPTY", { file }, {});
  const last = vocabulary === null ? "its vocabulary's last" : String(vocabulary - 1);
  for (const [at, id] of prompt.entries()) {
    if (Number.isSafeInteger(id) && id >= 0 && (vocabulary === null || id < vocabulary)) continue;
    throw inputError("TOKEN_UNKNOWN", { file }, { id: String(id), at, last });
  }
  const { ids, members } = graph.adapters;
  if (ids !== null && adapter !== null && !(adapter >= -1 && adapter < members))
    throw inputError("ADAPTER_IDS_RANGE", { file }, { members, found: String(adapter) });
  const most = contextOf(graph, context);
  if (most === null) return maxNewTokens;
  if (prompt.length >= most)
    throw inputError("PROMPT_TOO_LONG", { file }, { tokens: prompt.length, most: most - 1 });
  return Math.min(maxNewTokens, most - prompt.length);
}
