import { parameterPorts, trainInputs, trainOutputs, type Training } from "../../compiler/ops/training.ts";
import { sizeOf, zeros, type ElementType, type HostTensor, type Tensors } from "../session/tensor.ts";

/** A tensor that goes through a training graph: what an output is becomes what an input is fed. */
interface Carried {
  readonly input: string;
  readonly output: string;
  readonly dtype: ElementType;
  readonly dims: readonly number[];
}

/**
 * Parameters and the optimizer's state. Each is there twice: a step reads one and writes the other, so that a step that
 * failed has changed nothing, and no step makes room.
 */
export class TrainState {
  /** Parameters, and their moments. */
  readonly #updated: readonly Carried[];
  /** Sums of gradients, where several batches make up an update. */
  readonly #sums: readonly Carried[];
  #now: Map<string, HostTensor>;
  #next: Map<string, HostTensor>;

  /** @param values of parameters, and of moments where they are not zero; they are copied */
  constructor({ parameters, accumulate }: Training, values: Tensors) {
    this.#updated = parameters.flatMap(({ name, shape: dims }) => {
      const ports = parameterPorts(name);
      const one = (input: string, output: string): Carried => ({ input, output, dtype: "float", dims });
      return [
        one(ports.value, ports.updated),
        one(ports.expAvg, ports.updatedExpAvg),
        one(ports.expAvgSq, ports.updatedExpAvgSq),
      ];
    });
    const sums = parameters.map(({ name, shape: dims }): Carried => {
      const { gradSum, updatedGradSum } = parameterPorts(name);
      return { input: gradSum, output: updatedGradSum, dtype: "float", dims };
    });
    const tokens = { input: trainInputs.tokensSum, output: trainOutputs.tokensSum } as const;
    this.#sums = accumulate ? [...sums, { ...tokens, dtype: "int64", dims: [] }] : [];
    [this.#now, this.#next] = [this.#room(values), this.#room(new Map())];
  }

  /** What inputs are fed. */
  get feeds(): Tensors {
    return this.#now;
  }

  /** What a checkpoint holds: between two updates there are no sums. */
  get saved(): Tensors {
    return new Map(this.#updated.flatMap(({ input }) => this.#entry(input)));
  }

  /** Tensors for a run to write into, by its outputs. @param isUpdate false for one that only sums gradients */
  into(isUpdate: boolean): Tensors {
    return new Map(
      this.#changed(isUpdate).flatMap(({ input, output }) => {
        const tensor = this.#next.get(input);
        return tensor === undefined ? [] : [[output, tensor] as const];
      }),
    );
  }

  /** Takes what a run has written for what is now. */
  advance(isUpdate: boolean): void {
    for (const { input } of this.#changed(isUpdate)) {
      const [now, next] = [this.#now.get(input), this.#next.get(input)];
      if (now === undefined || next === undefined) continue;
      this.#now.set(input, next);
      this.#next.set(input, now);
    }
  }

  #changed(isUpdate: boolean): readonly Carried[] {
    return isUpdate ? [...this.#updated, ...this.#sums] : this.#sums;
  }

  #entry(input: string): readonly (readonly [string, HostTensor])[] {
    const tensor = this.#now.get(input);
    return tensor === undefined ? [] : [[input, tensor]];
  }

  #room(values: Tensors): Map<string, HostTensor> {
    return new Map(
      [...this.#updated, ...this.#sums].map(({ input, dtype, dims }) => {
        const given = values.get(input);
        const data = given === undefined ? zeros(dtype, sizeOf(dims)) : given.data.slice();
        return [input, { dtype, dims, data }];
      }),
    );
  }
}
