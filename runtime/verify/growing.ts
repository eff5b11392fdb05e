import type { Case } from "../session/dims.ts";
import type { Session } from "../session/session.ts";
import { inBuffers, ofBuffers } from "../session/shared-caches.ts";
import type { Tensors } from "../session/tensor.ts";

/**
 * Runs a graph as one whose caches grow, whichever it has.
 *
 * @param room positions that its shared caches hold; null where they grow
 */
export async function runGrowing(
  session: Session,
  feeds: Tensors,
  { past, sequence }: Case,
  room: number | null,
  names?: readonly string[],
): Promise<Tensors> {
  if (room === null) return session.run(feeds, names);
  const results = await session.run(inBuffers(feeds, session.inputs, room), names);
  return ofBuffers(results, session.outputs, room, past + sequence);
}
