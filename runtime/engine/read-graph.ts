import { adapterInterface } from "../adapters/ports.ts";
import type { Session } from "../session/session.ts";
import { sharedLength } from "../session/file-facts.ts";
import { graphOf, type DecoderGraph } from "./graph.ts";
import { traitsOf } from "./traits.ts";

/**
 * Reads what a graph is from the names and types of its inputs and outputs, and from its file.
 *
 * @throws TfcError GENERATE_UNSUPPORTED when they are not those of a decoder
 */
export function decoderGraph(session: Session): DecoderGraph {
  const { file, inputs } = session;
  return graphOf(session, {
    adapters: adapterInterface(file, inputs),
    sharedLength: sharedLength(file),
    traits: (hasOpenWidth) => traitsOf(file, hasOpenWidth),
  });
}
