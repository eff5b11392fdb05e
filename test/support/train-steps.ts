import { parameterPorts, trainInputs, trainingIn, trainOutputs } from "../../compiler/ops/training.ts";
import { openSafetensors } from "../../compiler/weights/safetensors/weights.ts";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import type { Session } from "../../runtime/session/session.ts";
import { elementsFrom, tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";

/** What a training graph takes of a batch. */
export interface Batch {
  readonly ids: readonly (readonly number[])[];
  readonly labels: readonly (readonly number[])[];
  /** What is shown of each row; all of it unless given. */
  readonly mask?: readonly (readonly number[])[];
}

/** A batch as feeds. */
export function batchFeeds({ ids, labels, mask }: Batch): Map<string, HostTensor> {
  const matrix = (rows: readonly (readonly number[])[]): HostTensor => {
    const width = rows[0]?.length ?? 0;
    return tensorFrom("int64", [rows.length, width], (i) => rows[Math.floor(i / width)]?.[i % width] ?? 0);
  };
  const shown = mask ?? ids.map((row) => row.map(() => 1));
  return new Map([
    [trainInputs.ids, matrix(ids)],
    [trainInputs.labels, matrix(labels)],
    [trainInputs.mask, matrix(shown)],
  ]);
}

/** Names of what a graph trains. */
export function parameterNames(file: string): readonly string[] {
  return trainingIn(readModelMetadata(file), file)?.parameters.map(({ name }) => name) ?? [];
}

/** First numbers of what a graph trains, from the file beside it. */
export function firstParameters(file: string): Map<string, HostTensor> {
  const { tensors: weights } = openSafetensors(file.replace(/\.onnx$/, ".adapters.safetensors"));
  return new Map(
    parameterNames(file).map((name) => {
      const weight = weights.get(name);
      if (weight === undefined) throw new Error(`no first numbers of ${name}`);
      return [name, { dtype: "float", dims: [...weight.shape], data: elementsFrom("float", weight.bytes()) }];
    }),
  );
}

/** AdamW's state before the first step. */
export function zeroState(parameters: Tensors): Map<string, HostTensor> {
  const state = new Map<string, HostTensor>();
  for (const [name, { dims }] of parameters) {
    const { expAvg, expAvgSq } = parameterPorts(name);
    for (const port of [expAvg, expAvgSq])
      state.set(
        port,
        tensorFrom("float", dims, () => 0),
      );
  }
  return state;
}

/** What a step takes beside batch, parameters and state. */
export function stepFeeds(step: number, learningRate: number): Map<string, HostTensor> {
  return new Map([
    [trainInputs.learningRate, tensorFrom("float", [], () => learningRate)],
    [trainInputs.step, tensorFrom("int64", [], () => step)],
  ]);
}

/** Losses of some steps on one batch, and what is trained by them. */
export async function trainOn(
  session: Session,
  batch: Batch,
  { steps, learningRate }: { readonly steps: number; readonly learningRate: number },
): Promise<{ readonly losses: readonly number[]; readonly parameters: Tensors }> {
  let parameters = firstParameters(session.file);
  let state = zeroState(parameters);
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) {
    const feeds = [batchFeeds(batch), stepFeeds(step, learningRate), parameters, state];
    const results = await session.run(new Map(feeds.flatMap((one) => [...one])));
    losses.push(scalar(results, trainOutputs.loss));
    const next = (of: Tensors): Map<string, HostTensor> =>
      new Map([...of.keys()].map((name) => [name, given(results, `${name}.updated`)]));
    [parameters, state] = [next(parameters), next(state)];
  }
  return { losses, parameters };
}

/** A result by its name. */
export function given(results: Tensors, name: string): HostTensor {
  const tensor = results.get(name);
  if (tensor === undefined) throw new Error(`no result ${name}`);
  return tensor;
}

/** A result of one number. */
export function scalar(results: Tensors, name: string): number {
  return Number(given(results, name).data[0]);
}
