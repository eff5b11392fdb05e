import { nextLossScale, type LossScaleState } from "../../runtime/train/loss-scale.ts";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom, zeros, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";
import { parameterPorts, trainInputs, trainOutputs } from "../../compiler/ops/training.ts";
import { feedsOf, leafOf, type Batch } from "./train-oracle.ts";

/** A parameter's numbers, by its name and shape. */
export type ValueOf = (name: string, shape: readonly number[]) => HostTensor;

/** What a training graph gives for a batch. */
export interface Gradients {
  readonly loss: number;
  readonly tokens: number;
  readonly gradients: Tensors;
}

/** Runs a graph that gives gradients, whose parameters have these numbers; `more` is fed where the graph takes it. */
export async function runGradients(
  file: string,
  batch: Batch,
  valueOf: ValueOf = leafOf,
  more: Tensors = new Map(),
): Promise<Gradients> {
  const session = await openSession(file, { threads: 1 });
  try {
    const trained = new Set(
      session.outputs.flatMap(({ name }) => (name.endsWith(".grad") ? [name.slice(0, -5)] : [])),
    );
    const values = session.inputs.flatMap(({ name, dims }) =>
      trained.has(name) ? [[name, valueOf(name, dims.map(Number))] as const] : [],
    );
    const asked = [...more].filter(([name]) => session.inputs.some((port) => port.name === name));
    const results = await session.run(new Map([...feedsOf(batch), ...values, ...asked]));
    const gradients = [...results].flatMap(([name, tensor]) =>
      name.endsWith(".grad") ? [[name.slice(0, -5), tensor] as const] : [],
    );
    return {
      loss: Number(results.get("loss")?.data[0]),
      tokens: Number(results.get("tokens")?.data[0]),
      gradients: new Map(gradients),
    };
  } finally {
    await session.close();
  }
}

export interface Steps {
  readonly loss: readonly number[];
  /** Of gradients before clipping. */
  readonly norm: readonly number[];
  /** Loss scales that the steps were made with; empty where the graph takes none. */
  readonly scale: readonly number[];
  /** Parameters and AdamW's moments, and how they were before the last step. */
  readonly state: Tensors;
  readonly before: Tensors;
}

/**
 * Makes steps that update a graph's parameters.
 *
 * @param how.scale the first loss scale, of a graph in half precision
 */
export async function runSteps(
  file: string,
  batches: readonly Batch[],
  { steps, rate, scale }: { readonly steps: number; readonly rate: number; readonly scale?: number },
): Promise<Steps> {
  const session = await openSession(file, { threads: 1 });
  try {
    const names = session.outputs.flatMap(({ name }) =>
      name.endsWith(".exp_avg.updated") ? [name.replace(".exp_avg.updated", "")] : [],
    );
    let state: Tensors = new Map(
      session.inputs.flatMap(({ name, dims }) => {
        const shape = dims.map(Number);
        if (names.includes(name)) return [[name, leafOf(name, shape)] as const];
        const size = shape.reduce((a, b) => a * b, 1);
        const empty: HostTensor = { dtype: "float", dims: shape, data: zeros("float", size) };
        return /\.exp_avg(?:_sq)?$/.test(name) ? [[name, empty] as const] : [];
      }),
    );
    const [loss, norm, scales]: [number[], number[], number[]] = [[], [], []];
    let [updates, scaling]: [number, LossScaleState | null] = [0, null];
    if (scale !== undefined) scaling = { value: scale, good: 0 };
    let before = state;
    for (let step = 0; step < steps; step++) {
      const batch = batches[step % batches.length];
      if (batch === undefined) throw new Error("no batches");
      const numbers = new Map<string, HostTensor>([
        [trainInputs.learningRate, tensorFrom("float", [], () => rate)],
        [trainInputs.step, tensorFrom("int64", [], () => updates + 1)],
      ]);
      if (scaling !== null) {
        const { value } = scaling;
        numbers.set(
          trainInputs.lossScale,
          tensorFrom("float", [], () => value),
        );
        scales.push(value);
      }
      const results = await session.run(new Map([...feedsOf(batch), ...numbers, ...state]));
      loss.push(Number(results.get(trainOutputs.loss)?.data[0]));
      norm.push(Number(results.get(trainOutputs.gradNorm)?.data[0]));
      const isFinite = Number.isFinite(norm.at(-1));
      if (isFinite) updates++;
      if (scaling !== null) scaling = nextLossScale(scaling, isFinite);
      before = state;
      state = new Map(
        names.flatMap((name) => {
          const { value, expAvg, expAvgSq, updated, updatedExpAvg, updatedExpAvgSq } = parameterPorts(name);
          const pairs = [
            [value, updated],
            [expAvg, updatedExpAvg],
            [expAvgSq, updatedExpAvgSq],
          ] as const;
          return pairs.map(([input, output]) => [input, tensorOf(results, output)] as const);
        }),
      );
    }
    return { loss, norm, scale: scales, state, before };
  } finally {
    await session.close();
  }
}

function tensorOf(tensors: Tensors, name: string): HostTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no result ${name}`);
  return tensor;
}
