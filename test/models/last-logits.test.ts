import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import * as ort from "onnxruntime-node";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { headSizes } from "../../compiler/compile/verify/head-sizes.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import "../../compiler/testing/jest.ts";
import { loadModel } from "../../runtime/model/load.ts";
import type { Case } from "../../runtime/session/dims.ts";
import { makeFeeds } from "../../runtime/session/feeds.ts";
import { openSession, type Session } from "../../runtime/session/session.ts";
import { sizeOf, tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";
import { newFamilies, samples } from "./samples.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfc-last-logits-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const austen = "samples/models/austen-llama/dynamo/model.onnx";
const paged = "samples/models/families/llama2-genai-paged/model.onnx";

/** The CPU runs neither bfloat16 nor PagedAttention. */
const all = [...samples, ...newFamilies].filter(({ name }) => !/bf16|paged/.test(name));

async function compiled(input: string, name: string, options: Partial<CompileOptions>): Promise<string> {
  const output = join(folder, `${name}.onnx`);
  await compile({ input, output, adapters: false, weights: "inline", ...options });
  // genai's builder writes ops of its own into the standard's domain.
  if (checkModelFile(input).length === 0) expect(checkModelFile(output)).toEqual([]);
  return output;
}

async function withBoth(
  files: readonly [string, string],
  use: (base: Session, own: Session) => Promise<void>,
): Promise<void> {
  const [base, own] = await Promise.all(files.map((file) => openSession(file)));
  if (base === undefined || own === undefined) throw new Error("no sessions");
  try {
    await use(base, own);
  } finally {
    await Promise.all([base.close(), own.close()]);
  }
}

/** Some positions of `[batch, positions, width]`, each row its own. */
function chosen({ dtype, dims, data }: HostTensor, rows: readonly (readonly number[])[]): HostTensor {
  const [batch = 1, positions = 1, width = 1] = dims;
  const count = rows[0]?.length ?? 0;
  if (dtype === "string") throw new Error("logits are numbers");
  return tensorFrom(dtype, [batch, count, width], (i) => {
    const [row, at] = [Math.floor(i / width / count), Math.floor(i / width) % count];
    const index = rows[row]?.[at] ?? 0;
    return Number(data[(row * positions + (index < 0 ? index + positions : index)) * width + (i % width)]);
  });
}

function lastOf(logits: HostTensor, count: number): HostTensor {
  const [batch = 1, positions = 1] = logits.dims;
  const kept = count === 0 ? positions : Math.min(count, positions);
  const own = Array.from({ length: kept }, (_, i) => i - kept);
  return chosen(
    logits,
    Array.from({ length: batch }, () => own),
  );
}

function expectClose(got: HostTensor | undefined, want: HostTensor): void {
  expect(got?.dims).toEqual(want.dims);
  const bits = want.dtype === "float16";
  let largest = 0;
  for (const one of want.data) largest = Math.max(largest, Math.abs(Number(one)));
  for (let i = 0; i < sizeOf(want.dims); i++) {
    const [a, b] = [Number(got?.data[i]), Number(want.data[i])];
    // Patterns of float16 are compared as such: a few of the last places.
    if (Math.abs(a - b) > (bits ? 8 : 2e-6 * Math.max(1, largest))) expect([i, a]).toEqual([i, b]);
  }
}

const logitsOf = (results: Tensors): HostTensor => {
  const logits = results.get("logits");
  if (logits === undefined) throw new Error("no logits");
  return logits;
};

const prompt: Case = { batch: 2, sequence: 6, past: 0 };

describe("logits of the last positions", () => {
  it("are looked at in many exports", () => {
    expect(all.length).toBeGreaterThan(60);
  });

  it.each(all)("are those of $name", async ({ name, file }) => {
    const own = await compiled(file, name, { lastLogits: true });
    await withBoth([file, own], async (base, chosenOnly) => {
      // Caches of a fixed size say in their own words what fits.
      const sizes = name.includes("static") ? { ...prompt, batch: 1 } : prompt;
      const feeds = makeFeeds(base, sizes, { symbols: headSizes(file) });
      const want = await base.run(feeds);
      for (const count of [null, 0, 1, 3, 9]) {
        const more =
          count === null ? [] : [["num_logits_to_keep", tensorFrom("int64", [], () => count)] as const];
        const got = await chosenOnly.run(new Map([...feeds, ...more]));
        expectClose(logitsOf(got), lastOf(logitsOf(want), count ?? 1));
        for (const [output, tensor] of want) if (output !== "logits") expect(got.get(output)).toEqual(tensor);
      }
    });
  });

  it("are those of a lowered graph with adapters, quantized weights or half precision", async () => {
    for (const [name, options] of [
      ["llama2-dynamo", { for: "cpu", adapters: true, adapter: "lora", residence: "inputs" }],
      ["llama2-dynamo-fp16", { for: "cpu", adapters: true }],
      ["llama2-quantized-nbits", { adapters: true, residence: "bank", members: 2 }],
      ["gemma2-dynamo", { for: "cpu", adapters: true, adapter: "lora", residence: "optional-inputs" }],
    ] as const) {
      const file = all.find((one) => one.name.endsWith(name))?.file ?? "";
      const own = await compiled(file, `adapted-${name}`, { ...options, lastLogits: true });
      await expect(own).toComputeLike(file);
    }
  });

  it("are what stock onnxruntime gives where nothing is fed", async () => {
    const own = await compiled(austen, "stock", { lastLogits: true });
    const session = await ort.InferenceSession.create(own);
    await withBoth([austen, own], async (base) => {
      const feeds = makeFeeds(base, prompt);
      const given = [...feeds].map(([name, { dtype, data, dims }]) => {
        const type = dtype === "float" ? "float32" : dtype;
        return [name, new ort.Tensor(type as "int64", data as BigInt64Array, dims)] as const;
      });
      const results = await session.run(Object.fromEntries(given));
      expect(results["logits"]?.dims).toEqual([2, 1, 2048]);
      const want = lastOf(logitsOf(await base.run(feeds)), 1);
      expectClose(
        { dtype: "float", dims: [2, 1, 2048], data: results["logits"]?.data as Float32Array },
        want,
      );
    });
    await session.release();
  });

  it("are all that a generated text needs", async () => {
    const own = await compiled(austen, "generate", { lastLogits: true });
    const rows = await compiled(austen, "generate-rows", { lastLogits: "rows" });
    const prompts = [[5, 9, 2, 77, 3], [8], [1, 4]];
    const answers = [austen, own, rows].map(async (file) => {
      const model = await loadModel(file, { device: "cpu" });
      const requests = prompts.map((ids) => ({ prompt: ids, maxNewTokens: 8, logprobs: 4 }));
      const results = await model.generateAll(requests);
      await model.close();
      return results.map(({ logprobs = [] }) => logprobs);
    });
    const [want = [], ...got] = await Promise.all(answers);
    for (const [row, tokens] of got.flatMap((one) => [...one.entries()])) {
      expect(tokens.map(({ id }) => id)).toEqual(want[row]?.map(({ id }) => id));
      tokens.forEach(({ logprob }, i) => {
        expect(logprob).toBeCloseTo(want[row]?.[i]?.logprob ?? NaN, 4);
      });
    }
  });
});

describe("logits of listed positions", () => {
  it("are those of the last real token of each row, where padding is on the right", async () => {
    const own = await compiled(austen, "rows", { lastLogits: "rows", for: "cpu" });
    await withBoth([austen, own], async (base, listed) => {
      const feeds = new Map(makeFeeds(base, prompt));
      feeds.set(
        "attention_mask",
        tensorFrom("int64", [2, 6], (i) => (i < 6 || i < 9 ? 1 : 0)),
      );
      const want = chosen(logitsOf(await base.run(feeds)), [
        [5, 0],
        [2, -6],
      ]);
      const lists = tensorFrom("int64", [2, 2], (i) => [5, 0, 2, -6][i] ?? 0);
      const got = await listed.run(new Map([...feeds, ["logits_indices", lists]]));
      expect(got.get("logits")?.dims).toEqual([2, 2, 2048]);
      got.get("logits")?.data.forEach((x, i) => {
        expect(Number(x)).toBeCloseTo(Number(want.data[i]), 3);
      });
    });
  });

  it("are those of flat tokens, also of a bank with an adapter at the head", async () => {
    const whole = await compiled(paged, "flat-whole", { lowerPagedAttention: true });
    const own = await compiled(paged, "flat", { lowerPagedAttention: true, lastLogits: true });
    expect(inspect(own).inputs.map(({ name, type }) => `${name} ${type}`)).toContain(
      "logits_indices int64[num_logits]",
    );
    await expect(own).toComputeLike(whole);
    const load = ["test/models/adapted/peft/flat-head"];
    const bank = { lowerPagedAttention: true, adapters: true, residence: "bank", load } as const;
    const [a, b] = [
      await compiled(paged, "bank-whole", bank),
      await compiled(paged, "bank", { ...bank, lastLogits: "rows" }),
    ];
    await expect(b).toComputeLike(a, { adapterIds: [0, -1, 0] });
  });

  it("are refused where a graph chooses already", async () => {
    const own = await compiled(austen, "twice", { lastLogits: true });
    for (const [lastLogits, fix] of [
      [true, "leave out `lastLogits`"],
      ["rows", "leave out `lastLogits: rows`"],
    ] as const)
      await expect(compiled(own, "again", { lastLogits })).rejects.toMatchObject({
        code: "LAST_LOGITS_REFUSED",
        diagnostics: [{ fix }],
      });
  });
});
