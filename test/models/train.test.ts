import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { IGNORED_LABEL, memories, trainInputs, trainOutputs } from "../../compiler/ops/training.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { random } from "../../runtime/session/random.ts";
import { openSession, type Session } from "../../runtime/session/session.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";
import {
  batchFeeds,
  firstParameters,
  given,
  parameterNames,
  scalar,
  trainOn,
  type Batch,
} from "../support/train-steps.ts";

const base = "samples/models/austen-llama/dynamo/model.onnx";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tfc-train-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Three rows of seventeen tokens: the first counts from its middle, the last is padded. */
const batch: Batch = (() => {
  const ids = [0, 1, 2].map((row) => {
    const stream = random(5, `row ${row}`);
    return Array.from({ length: 17 }, () => stream.below(500));
  });
  const shown = [17, 17, 11];
  return {
    ids,
    mask: ids.map((row, i) => row.map((_, at) => (at < (shown[i] ?? 0) ? 1 : 0))),
    labels: ids.map((row, i) =>
      row.map((id, at) => ((i === 0 && at < 8) || at >= (shown[i] ?? 0) ? IGNORED_LABEL : id)),
    ),
  };
})();

async function compiled(name: string, options: Omit<CompileOptions, "input">): Promise<string> {
  const output = path.join(folder, name, "model.onnx");
  await compile({ input: base, output, ...options });
  return output;
}

async function withSession<T>(file: string, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(file, { threads: 1 });
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

describe("a training graph", () => {
  it.each<[name: string, options: Omit<CompileOptions, "input">]>([
    ["LoRA", { adapter: "lora" }],
    ["ScalarLM's adapters", { adapter: "scalarlm" }],
    ["Pattention", { adapter: "pattention" }],
    ["DoRA", { load: ["samples/models/peft/dora"] }],
    ["fresh DoRA", { adapter: "dora" }],
    ["replaced projections", { replace: [{}] }],
  ])("of %s learns a batch", async (name, options) => {
    const file = await compiled(name, { ...options, train: {} });
    expect(checkModelFile(file)).toEqual([]);
    const { losses } = await withSession(file, (session) =>
      trainOn(session, batch, { steps: 20, learningRate: 1e-2 }),
    );
    expect(losses).toHaveLength(20);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? NaN) - 1);
  });

  it("gives gradients that are the differences of its loss", async () => {
    const file = await compiled("grads", { adapter: "lora", train: { emit: "grads", memory: "recompute" } });
    await withSession(file, async (session) => {
      const parameters = moved(firstParameters(file));
      const feeds = new Map([...batchFeeds(batch), ...parameters]);
      const results = await session.run(feeds);
      const lossWith = async (name: string, at: number, by: number): Promise<number> => {
        const own = given(feeds, name);
        const data = Float32Array.from(own.data as Float32Array);
        data[at] = (data[at] ?? 0) + by;
        return scalar(await session.run(new Map([...feeds, [name, { ...own, data }]])), trainOutputs.loss);
      };
      for (const name of parameterNames(file).filter((_, i) => i % 5 === 0)) {
        const gradient = given(results, `${name}.grad`).data as Float32Array;
        const at = gradient.reduce(
          (most, value, i) => (Math.abs(value) > Math.abs(gradient[most] ?? 0) ? i : most),
          0,
        );
        const difference = ((await lossWith(name, at, 1e-2)) - (await lossWith(name, at, -1e-2))) / 2e-2;
        expect(Math.abs(difference - (gradient[at] ?? NaN))).toBeLessThan(2e-2 * Math.abs(difference));
      }
    });
  });

  it("gives loss 0 and no gradients where no label counts", async () => {
    const file = await compiled("none", { adapter: "lora", train: { emit: "grads" } });
    const none = { ...batch, labels: batch.labels.map((row) => row.map(() => IGNORED_LABEL)) };
    const results = await withSession(file, (session) =>
      session.run(new Map([...batchFeeds(none), ...moved(firstParameters(file))])),
    );
    expect(scalar(results, trainOutputs.loss)).toBe(0);
    expect(scalar(results, trainOutputs.tokens)).toBe(0);
    for (const name of parameterNames(file))
      expect((given(results, `${name}.grad`).data as Float32Array).every((value) => value === 0)).toBe(true);
  });

  it("drops the same by a seed, however much the forward keeps", async () => {
    const found: Tensors[] = [];
    for (const memory of memories) {
      const train = { emit: "grads", memory, dropout: 0.2 } as const;
      const file = await compiled(`dropout ${memory}`, { adapter: "lora", train });
      const seed = [trainInputs.dropoutSeed, tensorFrom("int64", [], () => 11)] as const;
      const feeds = new Map([...batchFeeds(batch), ...moved(firstParameters(file)), seed]);
      found.push(await withSession(file, (session) => session.run(feeds)));
    }
    const [first = new Map<string, HostTensor>(), ...others] = found;
    for (const other of others)
      for (const [name, { data }] of first)
        expect(largestDifference(given(other, name).data, data)).toBeLessThan(1e-5);
  });

  it("refuses labels that are no tokens", async () => {
    const file = await compiled("range", { adapter: "lora", train: { emit: "loss" } });
    await withSession(file, async (session) => {
      for (const label of [-1, 100_000]) {
        const labels = batch.labels.map((row, i) => (i === 1 ? row.with(5, label) : row));
        const run = session.run(new Map([...batchFeeds({ ...batch, labels }), ...firstParameters(file)]));
        await expect(run).rejects.toThrow(/out of data bounds/);
      }
    });
  });
});

/** In units of the largest number. */
function largestDifference(found: HostTensor["data"], wanted: HostTensor["data"]): number {
  const numbers = [...wanted].map(Number);
  const most = Math.max(...numbers.map(Math.abs));
  return Math.max(...[...found].map((one, i) => Math.abs(Number(one) - (numbers[i] ?? NaN)))) / most;
}

/** Parameters of which none is zero, as if they had been trained. */
function moved(parameters: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
  return new Map(
    [...parameters].map(([name, { dims }]) => {
      const stream = random(7, name);
      return [name, tensorFrom("float", dims, () => (stream.next() - 0.5) / 5)];
    }),
  );
}
