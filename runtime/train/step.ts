import { trainDefaults, trainInputs, trainOutputs } from "../../compiler/ops/training.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../session/tensor.ts";
import type { Batch } from "./data/batch.ts";
import type { TrainingSession } from "./graph.ts";
import type { TrainState } from "./state.ts";

/** What one update is made with. */
export interface StepSettings {
  readonly learningRate: number;
  /** The number of the update, from 1, without those that overflowed. */
  readonly update: number;
  readonly weightDecay: number;
  /** 0 clips nothing. */
  readonly clip: number;
  readonly lossScale: number;
  /** One for each batch. */
  readonly dropoutSeeds: readonly number[];
}

/** What came of an update. */
export interface StepResult {
  /** Mean over all labels that count. */
  readonly loss: number;
  /** Labels that count. */
  readonly learned: number;
  /** Before clipping. */
  readonly gradNorm: number;
}

/** Makes one update, of one batch or of several. @throws TfcError what running throws; the state is as before then */
export async function trainStep(
  { session, training }: TrainingSession,
  state: TrainState,
  batches: readonly Batch[],
  settings: StepSettings,
): Promise<StepResult> {
  const known = new Set(session.inputs.map(({ name }) => name));
  let [sum, learned, gradNorm] = [0, 0, NaN];
  for (const [i, batch] of batches.entries()) {
    const isUpdate = i === batches.length - 1;
    const own = feedsOf(batch, settings, { isUpdate, dropoutSeed: settings.dropoutSeeds[i] ?? 0 });
    const feeds = new Map([...state.feeds, ...own].filter(([name]) => known.has(name)));
    const into = state.into(isUpdate);
    const results = await session.run(feeds, [...scalars(isUpdate), ...into.keys()], into);
    const tokens = numberIn(results, trainOutputs.tokens);
    const loss = numberIn(results, trainOutputs.loss);
    if (isUpdate) gradNorm = numberIn(results, trainOutputs.gradNorm);
    // What is not finite stays so, also where no label counts.
    sum += tokens === 0 && Number.isFinite(loss) ? 0 : loss * tokens;
    learned += tokens;
    state.advance(isUpdate);
  }
  if (!training.accumulate && batches.length > 1) throw new Error("a graph that does not accumulate");
  return { loss: learned === 0 ? sum : sum / learned, learned, gradNorm };
}

function scalars(isUpdate: boolean): readonly string[] {
  const { loss, tokens, gradNorm } = trainOutputs;
  return isUpdate ? [loss, tokens, gradNorm] : [loss, tokens];
}

/** Inputs of a batch; a graph has those of them that it needs. */
export function batchFeeds({ ids, mask, labels }: Batch): readonly (readonly [string, HostTensor])[] {
  return [
    [trainInputs.ids, ids],
    [trainInputs.mask, mask],
    [trainInputs.labels, labels],
  ];
}

function feedsOf(
  batch: Batch,
  { learningRate, update, weightDecay, clip, lossScale }: StepSettings,
  { isUpdate, dropoutSeed }: { readonly isUpdate: boolean; readonly dropoutSeed: number },
): Tensors {
  const optimizer = { ...trainDefaults, weight_decay: weightDecay, max_grad_norm: clip };
  return new Map([
    ...batchFeeds(batch),
    [trainInputs.learningRate, float(learningRate)],
    [trainInputs.step, int64(update)],
    [trainInputs.lossScale, float(lossScale)],
    [trainInputs.dropoutSeed, int64(dropoutSeed)],
    [trainInputs.update, tensorFrom("bool", [], () => (isUpdate ? 1 : 0))],
    ...Object.entries(optimizer).map(([name, value]) => [name, float(value)] as const),
  ]);
}

export function float(value: number): HostTensor {
  return tensorFrom("float", [], () => value);
}

export function int64(value: number): HostTensor {
  return tensorFrom("int64", [], () => value);
}

/** A scalar's number. */
export function numberIn(results: Tensors, name: string): number {
  return Number(results.get(name)?.data[0] ?? NaN);
}
