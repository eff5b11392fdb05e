import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest, Model } from "../../../runtime/model/types.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { FLOAT, graphFile, INT64 } from "../graphs.ts";
import { graphs, ROOM } from "./graphs.ts";

const prompt = [5, 17, 230, 41, 8];
const request: GenerateRequest = { prompt, maxNewTokens: 8, stopIds: [] };

describe("a request that fails does so alone", () => {
  const folder = temporaryFolder();
  let model: Model;

  beforeAll(async () => {
    const file = await graphs["shared caches"]?.(folder);
    model = await loadModel(file ?? "", { device: "cpu", threads: 1, maxBatch: 2, maxQueue: 2 });
  });
  afterAll(() => model.close());

  it.each([
    ["an empty prompt", { prompt: [] }, "PROMPT_EMPTY"],
    ["an id beyond the vocabulary", { prompt: [5, 2048] }, "TOKEN_UNKNOWN"],
    ["an id below zero", { prompt: [5, -1] }, "GENERATE_OPTION"],
    [
      "a prompt without room for one more",
      { prompt: Array.from({ length: ROOM }, () => 5) },
      "PROMPT_TOO_LONG",
    ],
    ["a temperature of NaN", { ...request, temperature: NaN }, "GENERATE_OPTION"],
    ["an adapter that nobody knows", { ...request, adapter: "none" }, "ADAPTER_NAME_UNKNOWN"],
    ["text without a tokenizer", { prompt: "text" }, "TOKENIZER_MISSING"],
  ] as const)("%s", async (_, wrong, code) => {
    const wanted = await model.generate(request).result();
    const [good, bad] = [model.generate(request), model.generate(wrong)];
    await expect(bad.result()).rejects.toMatchObject({ code });
    expect((await good.result()).ids).toEqual(wanted.ids);
    expect((await model.generate(request).result()).ids).toEqual(wanted.ids);
  });

  it("ends where the caches are full, and leaves nothing to the next", async () => {
    const before = await model.generate(request).result();
    const full = await model.generate({ ...request, maxNewTokens: 2 * ROOM }).result();
    expect([full.stop, full.prompt + full.new]).toEqual(["length", ROOM]);
    expect((await model.generate(request).result()).ids).toEqual(before.ids);
  });

  it("gives no tokens where none are asked for", async () => {
    const { ids, stop } = await model.generate({ ...request, maxNewTokens: 0 }).result();
    expect([ids, stop]).toEqual([[], "length"]);
  });

  it("ends a row when its reader leaves, and when it is aborted", async () => {
    const seen: number[] = [];
    const left = model.generate({ ...request, maxNewTokens: 40 });
    for await (const { ids } of left.pieces()) {
      seen.push(...ids);
      if (seen.length > 1) break;
    }
    await expect(left.result()).rejects.toMatchObject({ name: "AbortError" });
    const reason = new Error("no more");
    const control = new AbortController();
    const aborted = model.generate({ ...request, maxNewTokens: 40, signal: control.signal });
    control.abort(reason);
    await expect(aborted.result()).rejects.toBe(reason);
    expect((await model.generate(request).result()).new).toBe(8);
    expect(model.load).toEqual({ running: 0, waiting: 0 });
  });

  it("refuses more requests than may wait", async () => {
    const answers = Array.from({ length: 5 }, () => model.generate(request));
    const ends = await Promise.allSettled(answers.map((answer) => answer.result()));
    expect(ends.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 4 }, () => "fulfilled"),
      "rejected",
    ]);
    expect(ends[4]).toMatchObject({ reason: { code: "REQUEST_QUEUE_FULL" } });
  });
});

describe("a run that fails", () => {
  it("is the end of the row that it fails for, and of no other", async () => {
    // Logits of 16 tokens, a table of 8: a larger id fails in the run.
    const file = graphFile("short-table.onnx", {
      inputs: { input_ids: [INT64, ["batch", "sequence"]], attention_mask: [INT64, ["batch", "total"]] },
      outputs: { logits: [FLOAT, ["batch", "sequence", 16]] },
      constants: { one: [1], depth: [16], range: [0, 1], table: [1, 2, 3, 4, 5, 6, 7, 0] },
      nodes: [
        { op: "Gather", in: ["table", "input_ids"], out: ["known"] },
        { op: "Mul", in: ["attention_mask", "one"], out: ["seen"] },
        { op: "Cast", in: ["range"], out: ["values"], ints: { to: FLOAT } },
        { op: "OneHot", in: ["known", "depth", "values"], out: ["logits"] },
      ],
    });
    const model = await loadModel(file, { device: "cpu", threads: 1 });
    const ask = (id: number): Promise<{ readonly ids: readonly number[] }> =>
      model.generate({ prompt: [0, id], maxNewTokens: 3 }).result();
    const ends = await Promise.allSettled([ask(1), ask(9), ask(4)]);
    expect(ends).toMatchObject([
      { value: { ids: [2, 3, 4] } },
      { reason: { code: "RUNTIME_FAILED" } },
      { value: { ids: [5, 6, 7] } },
    ]);
    await model.close();
  });
});

describe("close", () => {
  it("ends what runs and what comes, and may be called again", async () => {
    const model = await loadModel((await graphs["caches that grow, under a mask"]?.("")) ?? "", {
      device: "cpu",
    });
    const [running, waiting] = [model.generate(request), model.generate(request)];
    const ends = Promise.allSettled([running.result(), waiting.result()]);
    await Promise.all([model.close(), model.close()]);
    await model.close();
    for (const end of await ends) expect(end).toMatchObject({ reason: { code: "MODEL_CLOSED" } });
    await expect(model.generate(request).result()).rejects.toMatchObject({ code: "MODEL_CLOSED" });
  });
});
