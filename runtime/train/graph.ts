import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";
import {
  trainingIn,
  trainInputs,
  trainOutputs,
  type Emit,
  type Training,
} from "../../compiler/ops/training.ts";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { openSession, type Session, type SessionOptions } from "../session/session.ts";

/** A training graph that is loaded. */
export interface TrainingSession {
  readonly session: Session;
  readonly training: Training;
}

/** What a graph says of its training. @throws TfcError TRAIN_GRAPH for one that does not train so; FILE_* */
export function trainingOf(file: string, emit: Emit): Training {
  const training = trainingIn(readModelMetadata(file), file);
  const found = training === null ? "one that does not train" : `one that gives ${training.emit}`;
  if (training?.emit !== emit) throw unfit(file, `a training graph that gives ${emit}`, found);
  if (training.parameters.length === 0) throw unfit(file, "parameters to train", "none");
  return training;
}

/**
 * Loads a training graph, without a plan of its memory: sizes differ from batch to batch, and a plan keeps the room of the
 * largest for itself.
 *
 * @throws TfcError TRAIN_GRAPH; what {@link openSession} throws
 */
export async function openTraining(
  file: string,
  emit: Emit,
  options: Pick<SessionOptions, "provider" | "threads">,
): Promise<TrainingSession> {
  const training = trainingOf(file, emit);
  const session = await openSession(file, { ...options, memoryPlan: false });
  const [inputs, outputs] = [session.inputs, session.outputs].map((ports) => ports.map(({ name }) => name));
  const needed = [trainInputs.ids, trainInputs.labels, ...training.parameters.map(({ name }) => name)];
  const lacks = needed.find((name) => inputs?.includes(name) !== true);
  if (lacks !== undefined) throw unfit(file, `an input ${JSON.stringify(lacks)}`, "none of this name");
  if (outputs?.includes(trainOutputs.loss) !== true)
    throw unfit(file, `an output ${JSON.stringify(trainOutputs.loss)}`, "none of this name");
  return { session, training };
}

function unfit(file: string, wanted: string, found: string): TfcError {
  return inputError("TRAIN_GRAPH", { file }, { wanted, found });
}
