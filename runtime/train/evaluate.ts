import { setImmediate } from "node:timers/promises";
import { trainInputs, trainOutputs } from "../../compiler/ops/training.ts";
import type { Tensors } from "../session/tensor.ts";
import { batchOf } from "./data/batch.ts";
import type { Sequences } from "./data/sequences.ts";
import type { TrainingSession } from "./graph.ts";
import { batchFeeds, float, int64, numberIn } from "./step.ts";

/** The loss on what was held back. */
export interface Evaluation {
  /** Mean over all labels that count. */
  readonly loss: number;
  /** e to the loss: among how many tokens that are as likely the next one is as hard to guess. */
  readonly perplexity: number;
  /** Labels that count. */
  readonly learned: number;
}

/** What an evaluation runs. */
export interface EvaluationOptions {
  /** A graph that gives the loss; one that updates as well does, its other results are not asked for. */
  readonly loss: TrainingSession;
  readonly sequences: Sequences;
  readonly batch: number;
  readonly padding: number;
  readonly signal?: AbortSignal;
}

/** The loss of all held-back sequences with these parameters, without dropout. @throws the signal's reason */
export async function evaluate(
  { loss: { session }, sequences, batch, padding, signal }: EvaluationOptions,
  state: Tensors,
): Promise<Evaluation> {
  const known = new Set(session.inputs.map(({ name }) => name));
  // A graph that updates asks for these; what it would make of them is not taken.
  const idle = [
    [trainInputs.learningRate, float(0)],
    [trainInputs.step, int64(1)],
    [trainInputs.lossScale, float(1)],
    [trainInputs.dropoutSeed, int64(-1)],
    [trainInputs.update, { dtype: "bool", dims: [], data: new Uint8Array(1) }],
  ] as const;
  let [sum, learned] = [0, 0];
  for (let from = 0; from < sequences.count; from += batch) {
    signal?.throwIfAborted();
    const indices = Array.from({ length: Math.min(batch, sequences.count - from) }, (_, i) => from + i);
    const rows = batchOf(
      indices.map((index) => sequences.at(null, index)),
      padding,
    );
    if (rows.learned === 0) continue;
    const feeds = new Map([...state, ...idle, ...batchFeeds(rows)].filter(([name]) => known.has(name)));
    const results = await session.run(feeds, [trainOutputs.loss]);
    sum += numberIn(results, trainOutputs.loss) * rows.learned;
    learned += rows.learned;
    await setImmediate();
  }
  const loss = sum / learned;
  return { loss, perplexity: Math.exp(loss), learned };
}
