import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { parameterPorts, trainInputs, trainOutputs, type Training } from "../../compiler/ops/training.ts";
import { runPasses, step, type Step } from "../../compiler/pass/runner.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { adamw, differentiate, tokenLoss } from "../../passes/index.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";
import { runModel } from "../support/run-model.ts";
import { batchFeeds, given, scalar } from "../support/train-steps.ts";

type Numbers = Readonly<Record<string, readonly number[]>>;

interface Oracle {
  readonly loss: {
    readonly weights: Numbers;
    readonly ids: readonly (readonly number[])[];
    readonly labels: readonly (readonly number[])[];
    readonly loss: number;
    readonly tokens: number;
    readonly gradients: Numbers;
  };
  readonly adamw: {
    readonly first: Numbers;
    readonly decay: number;
    readonly steps: readonly {
      readonly rate: number;
      readonly gradients: Numbers;
      readonly norm: number;
      readonly updated: Numbers;
      readonly means: Numbers;
      readonly squares: Numbers;
    }[];
  };
}

/** What PyTorch computes: samples/export/training_oracle.py. */
const oracle = JSON.parse(readFileSync("test/passes/training-oracle.json", "utf8")) as Oracle;

/** A model of a text that trains some inputs. */
function modelOf(
  text: string,
  parameters: readonly (readonly [name: string, shape: readonly number[]])[],
  steps: readonly Step[],
): Model {
  const described: Training = {
    ...{ version: 1, emit: "loss", memory: "none", accumulate: false, dropout: 0, lossScale: false },
    ...{ vocabulary: null },
    parameters: parameters.map(([name, shape]) => ({ name, shape, decay: shape.length > 1, site: null })),
  };
  const metadata = JSON.stringify(JSON.stringify(described));
  const head = `<ir_version: 10, opset_import: ["" : 20, "tfc" : 1], metadata_props: ["tfc.train": ${metadata}]>`;
  const model = parseModel(`${head}\n${text}`);
  runPasses(model, steps, new Sink());
  return model;
}

function float(dims: readonly number[], numbers: readonly number[] = []): HostTensor {
  return tensorFrom("float", dims, (i) => numbers[i] ?? 0);
}

function numbersOf(results: Tensors, name: string): readonly number[] {
  return [...given(results, name).data].map(Number);
}

/** Close in units of the largest of some numbers. */
function expectClose(found: readonly number[], wanted: readonly number[], share: number): void {
  expect(found).toHaveLength(wanted.length);
  const most = Math.max(...wanted.map(Math.abs));
  wanted.forEach((number, i) => {
    expect(Math.abs((found[i] ?? NaN) - number)).toBeLessThanOrEqual(share * most);
  });
}

const decoder = `decoder (
  int64[B,S] input_ids, float[16,8] table, float[8,12] up, float[12,8] down, float[8] scale, float[8,16] head
) => (float[B,S,16] logits)
{
  x = Gather (table, input_ids)
  raised = MatMul (x, up)
  active = Relu (raised)
  lowered = MatMul (active, down)
  added = Add (x, lowered)
  hidden = Mul (added, scale)
  plain = MatMul (hidden, head)
  cap = Constant <value = float {5.0}> ()
  less = Div (plain, cap)
  bent = Tanh (less)
  logits = Mul (bent, cap)
}`;

describe("the loss of tokens", () => {
  const { weights, ids, labels, ...wanted } = oracle.loss;
  const shapes = { table: [16, 8], up: [8, 12], down: [12, 8], scale: [8], head: [8, 16] };
  const feeds = new Map([
    ...[...batchFeeds({ ids, labels })].filter(([name]) => name !== trainInputs.mask),
    ...Object.entries(shapes).map(([name, dims]) => [name, float(dims, weights[name])] as const),
  ]);

  // All in one chunk, in several with empty rows behind, and each label by itself.
  it.each([0, 4, 1])("and its gradients are PyTorch's, in chunks of %d rows", async (rows) => {
    const parameters = [["scale", shapes.scale] as const, ["head", shapes.head] as const];
    const model = modelOf(decoder, parameters, [
      step(tokenLoss, { gradients: true, rows }),
      step(differentiate, { memory: "recompute" }),
    ]);
    const results = await runModel(model, feeds);
    expect(scalar(results, trainOutputs.tokens)).toBe(wanted.tokens);
    expectClose([scalar(results, trainOutputs.loss)], [wanted.loss], 1e-6);
    for (const [name, gradient] of Object.entries(wanted.gradients))
      expectClose(numbersOf(results, parameterPorts(name).grad), gradient, 2e-6);
  });

  it("is the same without gradients", async () => {
    const model = modelOf(decoder, [["scale", shapes.scale]], [step(tokenLoss, { rows: 4 })]);
    expect(model.graph.outputs.map(({ name }) => name)).toEqual([trainOutputs.loss, trainOutputs.tokens]);
    const results = await runModel(model, feeds);
    expectClose([scalar(results, trainOutputs.loss)], [wanted.loss], 1e-6);
  });
});

const graded = `main (float[3,4] w, float[4] b, float[3,4] g_w, float[4] g_b, int64 n) =>
  (float loss, int64 tokens, float[3,4] "w.grad", float[4] "b.grad")
{
  loss = ReduceSum <keepdims = 0> (b)
  tokens = Identity (n)
  "w.grad" = Identity (g_w)
  "b.grad" = Identity (g_b)
}`;

const dims = { w: [3, 4], b: [4] };
const names = ["w", "b"] as const;

/** Settings of a step. */
function settings(rate: number, count: number, decay = oracle.adamw.decay): Map<string, HostTensor> {
  return new Map([
    [trainInputs.learningRate, float([], [rate])],
    [trainInputs.step, tensorFrom("int64", [], () => count)],
    ["weight_decay", float([], [decay])],
    ...[["beta1", 0.9] as const, ["beta2", 0.999] as const, ["epsilon", 1e-8] as const].map(
      ([name, number]) => [name, float([], [number])] as const,
    ),
    ["max_grad_norm", float([], [1])],
    ["n", tensorFrom("int64", [], () => 3)],
  ]);
}

function updating(accumulate: boolean): Model {
  const parameters = names.map((name) => [name, dims[name]] as const);
  return modelOf(graded, parameters, [step(adamw, { accumulate })]);
}

/** Parameters and state, as a step takes them. */
type State = Map<string, HostTensor>;

function firstState(): State {
  return new Map(
    names.flatMap((name) => {
      const { value, expAvg, expAvgSq } = parameterPorts(name);
      const first = float(dims[name], oracle.adamw.first[name]);
      return [
        [value, first] as const,
        ...[expAvg, expAvgSq].map((port) => [port, float(dims[name])] as const),
      ];
    }),
  );
}

function nextOf(state: State, results: Tensors): State {
  return new Map([...state.keys()].map((name) => [name, given(results, `${name}.updated`)]));
}

function gradientFeeds(gradients: Numbers, times = 1): Map<string, HostTensor> {
  return new Map(
    names.map((name) => [
      `g_${name}`,
      float(
        dims[name],
        gradients[name]?.map((number) => number * times),
      ),
    ]),
  );
}

describe("AdamW", () => {
  it("is torch.optim.AdamW's behind clip_grad_norm_, for five steps", async () => {
    const model = updating(false);
    let state = firstState();
    for (const [i, wanted] of oracle.adamw.steps.entries()) {
      const results = await runModel(
        model,
        new Map([...settings(wanted.rate, i + 1), ...gradientFeeds(wanted.gradients), ...state]),
      );
      expectClose([scalar(results, trainOutputs.gradNorm)], [wanted.norm], 1e-6);
      for (const name of names) {
        const ports = parameterPorts(name);
        expectClose(numbersOf(results, ports.updated), wanted.updated[name] ?? [], 3e-7);
        expectClose(numbersOf(results, ports.updatedExpAvg), wanted.means[name] ?? [], 1e-6);
        expectClose(numbersOf(results, ports.updatedExpAvgSq), wanted.squares[name] ?? [], 1e-6);
      }
      state = nextOf(state, results);
    }
  });

  it("leaves everything as it is where the norm is not finite", async () => {
    const state = firstState();
    const gradients = {
      ...oracle.adamw.first,
      w: Array.from({ length: 12 }, (_, i) => (i === 5 ? Infinity : 1)),
    };
    const results = await runModel(
      updating(false),
      new Map([...settings(1e-2, 1), ...gradientFeeds(gradients), ...state]),
    );
    expect(scalar(results, trainOutputs.gradNorm)).toBe(Infinity);
    for (const [name, { data }] of state) expect(given(results, `${name}.updated`).data).toEqual(data);
  });

  it("takes the mean over the tokens of several batches", async () => {
    const model = updating(true);
    const [wanted] = oracle.adamw.steps;
    if (wanted === undefined) throw new Error("no step");
    let sums: State = new Map([
      ...names.map((name) => [parameterPorts(name).gradSum, float(dims[name])] as const),
      [trainInputs.tokensSum, tensorFrom("int64", [], () => 0)],
    ]);
    const state = firstState();
    // 3 tokens with the gradient once, 3 with none of it, and 6 with one and a half: its mean is the gradient.
    for (const [at, [tokens, times]] of [
      [3, 1],
      [3, 0],
      [6, 1.5],
    ].entries()) {
      const isLast = at === 2;
      const feeds = new Map([
        ...settings(wanted.rate, 1),
        ...gradientFeeds(wanted.gradients, times),
        ...state,
        ...sums,
        [trainInputs.update, tensorFrom("bool", [], () => (isLast ? 1 : 0))] as const,
        ["n", tensorFrom("int64", [], () => tokens ?? 0)] as const,
      ]);
      const results = await runModel(model, feeds);
      for (const name of names) {
        const ports = parameterPorts(name);
        const own = isLast ? (wanted.updated[name] ?? []) : (oracle.adamw.first[name] ?? []);
        expectClose(numbersOf(results, ports.updated), own, 3e-7);
        if (isLast)
          expect(numbersOf(results, ports.updatedGradSum).every((number) => number === 0)).toBe(true);
      }
      expect(scalar(results, trainOutputs.tokensSum)).toBe(isLast ? 0 : 3 * (at + 1));
      sums = nextOf(sums, results);
    }
  });
});
