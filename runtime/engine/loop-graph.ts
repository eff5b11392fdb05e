import { decodeLoopIn, loopInputs } from "../../compiler/ops/decode-loop.ts";
import { refuseTraining } from "../../compiler/ops/training.ts";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { adapterInterface, type AdapterInterface } from "../adapters/ports.ts";
import type { Session } from "../session/session.ts";
import { fixedBatch } from "./graph.ts";
import { traitsOf } from "./traits.ts";

/** A graph that generates by itself: one run takes prompts and gives answers. */
export interface LoopGraph {
  readonly session: Session;
  readonly adapters: AdapterInterface;
  /** Tokens that a prompt and its answer may have together; null where nothing bounds them. */
  readonly room: number | null;
  /** Logits of a token; null where the graph does not say it. */
  readonly vocabulary: number | null;
  /** Whether a run takes one row only. */
  readonly isSingle: boolean;
  /** Whether rows of unequal length may share a run: a mask hides their padding, and positions do not count it. */
  readonly takesPadding: boolean;
}

/** What a graph is that generates by itself; null of any other. @throws TfcError ALREADY_TRAINING, LOOP_METADATA_INVALID, GENERATE_UNSUPPORTED */
export function loopGraph(session: Session): LoopGraph | null {
  const { file, inputs } = session;
  const metadata = readModelMetadata(file);
  refuseTraining(metadata, file, "it generates nothing");
  const loop = decodeLoopIn(metadata, file);
  if (loop === null) return null;
  const { byLengths, mixesRows } = traitsOf(file, false);
  const ids = inputs.find(({ name }) => name === loopInputs.ids);
  const rows = ids === undefined ? null : fixedBatch(ids);
  return {
    session,
    adapters: adapterInterface(file, inputs),
    room: loop.room,
    vocabulary: loop.vocabulary,
    isSingle: mixesRows || rows !== null,
    takesPadding: loop.hasMask && loop.hasPositions && !byLengths,
  };
}
