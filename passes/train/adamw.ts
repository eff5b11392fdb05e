import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { parameterPorts, trainDefaults, trainInputs, trainOutputs } from "../../compiler/ops/training.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import { yesNo } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { TFC_DOMAIN } from "../../compiler/sites/site.ts";
import { adamwFunction, numbersOrder } from "./_adamw-function.ts";
import { describeTraining } from "./_describe.ts";
import { trainedIn, type Trained } from "./_parameters.ts";
import { clipping, stepNumbers } from "./_step-numbers.ts";

export interface AdamwOptions {
  readonly accumulate: boolean;
}

/**
 * Makes of gradients an update: clipped by their norm together, AdamW with decoupled decay.
 *
 * Before: `loss, tokens, P.grad…`.
 * After: `loss, tokens, grad_norm, P.updated, P.exp_avg.updated, P.exp_avg_sq.updated…`, of inputs `learning_rate`, `step`,
 * `P.exp_avg` and `P.exp_avg_sq`. With accumulation, sums of gradients go in and out as well, and there is an update
 * where the input `update` says so. Where the norm is not finite nothing is updated.
 */
export const adamw: Pass<AdamwOptions, NodeVisitor> = {
  name: "adamw",
  summary: "update every parameter by its gradient with AdamW",
  options: { accumulate: yesNo({ help: "sum gradients over several batches before an update" }) },
  stats: ["parameters"],
  requires: [],
  walk: nodesIn(),
  visitor: ({ model, options, rewriter, count }) => ({
    model: {
      exit: () => {
        const parameters = trainedIn(model);
        if (parameters.length > 0) new Update(model, parameters, options.accumulate, rewriter).write();
        count("parameters", parameters.length);
        describeTraining(model, rewriter, { emit: "update", accumulate: options.accumulate });
      },
    },
  }),
};

/** A parameter with its gradient, or with the sum of its gradients so far. */
interface Graded extends Trained {
  readonly gradient: Value;
}

class Update {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #b: Builder;
  readonly #parameters: readonly Trained[];
  readonly #accumulates: boolean;

  constructor(model: Model, parameters: readonly Trained[], accumulates: boolean, rw: Rewriter) {
    this.#model = model;
    this.#parameters = parameters;
    this.#accumulates = accumulates;
    this.#rw = rw;
    this.#b = new Builder(rw, atEnd(model.graph), { namesNodes: false });
  }

  write(): void {
    const [b, rw] = [this.#b, this.#rw];
    const own = this.#gradients();
    const sums = this.#accumulates ? this.#sums(own) : null;
    const graded = sums?.graded ?? own;
    const settings = {
      learningRate: this.#input(trainInputs.learningRate, "float", []),
      step: this.#input(trainInputs.step, "int64", []),
      ...{
        beta1: this.#optional("beta1"),
        beta2: this.#optional("beta2"),
        epsilon: this.#optional("epsilon"),
      },
      ...{ weightDecay: this.#optional("weight_decay"), maxNorm: this.#optional("max_grad_norm") },
    };
    const gradients = graded.map(({ gradient }) => gradient);
    const { norm, scale, isFinite } = clipping(b, gradients, settings.maxNorm, sums?.tokens ?? null);
    this.#give(norm, trainOutputs.gradNorm, "float", []);
    const { keep, ...rest } = stepNumbers(b, settings);
    const applies = sums === null ? isFinite : b.op("And", [isFinite, sums.update], "applies");
    const numbers = { ...rest, scale, applies };
    const allDecay = graded.every(({ decay }) => decay);
    const undecayed = allDecay ? keep : b.constant("float", [], [1], "no_decay");
    const func = adamwFunction(this.#model, rw);
    for (const parameter of graded) {
      const ports = parameterPorts(parameter.name);
      const state = [ports.expAvg, ports.expAvgSq].map((name) => this.#input(name, "float", parameter.shape));
      const inputs = [parameter.value, parameter.gradient, ...state, parameter.decay ? keep : undecayed];
      const outputs = [ports.updated, ports.updatedExpAvg, ports.updatedExpAvgSq];
      const operands = [...inputs, ...numbersOrder.map((name) => numbers[name])];
      const call = b.node(`${TFC_DOMAIN}::${func.name}`, operands, outputs);
      rw.setName(call, `${parameter.name}.update`);
      call.outputs.forEach((value, i) => {
        this.#give(value, outputs[i] ?? "", "float", parameter.shape);
      });
    }
    sums?.give();
  }

  /** Takes the gradients away from the graph's outputs. */
  #gradients(): readonly Graded[] {
    const { graph } = this.#model;
    return this.#parameters.map((parameter) => {
      const { grad } = parameterPorts(parameter.name);
      const index = graph.outputs.findIndex(({ name }) => name === grad);
      const gradient = graph.outputs[index];
      if (gradient === undefined) throw new Error(`no gradient of ${parameter.name}`);
      this.#rw.removeOutput(graph, index);
      return { ...parameter, gradient };
    });
  }

  /** Gradients of all tokens since the last update, each batch's mean as often as it has tokens. */
  #sums(own: readonly Graded[]): {
    readonly graded: readonly Graded[];
    /** float `[]`, 1 or more */
    readonly tokens: Value;
    readonly update: Value;
    readonly give: () => void;
  } {
    const b = this.#b;
    const here = this.#output(trainOutputs.tokens);
    const before = this.#input(trainInputs.tokensSum, "int64", []);
    const update = this.#input(trainInputs.update, "bool", []);
    const all = b.op("Add", [before, here], "tokens_so_far");
    const weight = b.cast(here, "float", "tokens_float");
    const graded = own.map((parameter) => {
      const { gradSum } = parameterPorts(parameter.name);
      const sum = this.#input(gradSum, "float", parameter.shape);
      const part = b.op("Mul", [parameter.gradient, weight], `${parameter.name}.grad_of_tokens`);
      return { ...parameter, gradient: b.op("Add", [sum, part], `${gradSum}_so_far`) };
    });
    return {
      ...{ graded, update },
      tokens: b.op(
        "Max",
        [b.cast(all, "float", "tokens_so_far_float"), b.constant("float", [], [1], "one_token")],
        "tokens_divisor",
      ),
      give: () => {
        const none = b.constant("float", [], [0], "no_gradient");
        for (const { name, gradient, shape } of graded) {
          const port = parameterPorts(name).updatedGradSum;
          this.#give(b.op("Where", [update, none, gradient], port), port, "float", shape);
        }
        const next = b.op("Where", [update, b.int(0), all], trainOutputs.tokensSum);
        this.#give(next, trainOutputs.tokensSum, "int64", []);
      },
    };
  }

  #output(name: string): Value {
    const value = this.#model.graph.outputs.find((output) => output.name === name);
    if (value === undefined) throw new Error(`no output ${name}`);
    return value;
  }

  #give(value: Value, name: string, dtype: DType, shape: readonly number[]): void {
    const { graph } = this.#model;
    this.#rw.setName(value, name);
    this.#rw.setType(value, tensorType(dtype, shape));
    this.#rw.setOutput(graph, graph.outputs.length, value);
  }

  #input(name: string, dtype: DType, shape: readonly number[]): Value {
    const { graph, loc } = this.#model;
    const value = this.#rw.value(loc, name, tensorType(dtype, shape));
    this.#rw.addInput(graph, value);
    return value;
  }

  #optional(name: keyof typeof trainDefaults): Value {
    const { graph, loc } = this.#model;
    const tensor = tensorOf("float", [], [trainDefaults[name]]);
    const value = this.#rw.value(loc, name, tensorType("float", []), tensor);
    this.#rw.addInitializer(graph, value);
    this.#rw.addInput(graph, value);
    return value;
  }
}
