import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { Engine } from "../../../runtime/engine/engine.ts";
import { decoderGraph } from "../../../runtime/engine/read-graph.ts";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest, Model } from "../../../runtime/model/types.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import type { Tensors } from "../../../runtime/session/tensor.ts";
import { graphOf } from "../oracle.ts";
import { all, folder, patterns, plain, someLayers, withInputs } from "./store-graph.ts";

const prompt = [1, 5, 9, 4, 7];
const adapters = { a: patterns, b: plain, c: someLayers };
const names = [...Object.keys(adapters), undefined];

/** Ids and log-probabilities of an answer: what was computed, to the bit. */
async function answer(model: Model, adapter?: string): Promise<string> {
  const choice = adapter === undefined ? {} : { adapter };
  const { ids, logprobs } = await model
    .generate({ prompt, maxNewTokens: 12, logprobs: 2, ...choice })
    .result();
  return JSON.stringify([ids, logprobs?.map(({ logprob, top }) => [logprob, top])]);
}

describe("a model whose graph takes adapters as inputs", () => {
  let model: Model;
  beforeAll(async () => {
    const file = await withInputs("lora", all, { rank: 2 });
    model = await loadModel(file, { device: "cpu", threads: 1, adapters, capacity: 2 });
  });
  afterAll(() => model.close());

  it("answers as with each adapter alone, bit for bit, whatever ran before and beside it", async () => {
    const want = new Map<string | undefined, string>();
    for (const name of names) want.set(name, await answer(model, name));
    expect(new Set(want.values()).size).toBe(4);
    for (const name of ["a", "b", "a", undefined, "c", "a"])
      expect(await answer(model, name)).toBe(want.get(name));
    // One request with each adapter at a time: more rows of one batch may round otherwise.
    for (let round = 0; round < 3; round++) {
      const all = await Promise.all(names.map((name) => answer(model, name)));
      for (const [i, name] of names.entries()) expect(all[i]).toBe(want.get(name));
    }
    expect(model.adapters.loaded).toHaveLength(2);
  });

  it("finishes with the adapter it began with where the name is replaced or removed meanwhile", async () => {
    await model.adapters.add("x", plain);
    const [plainly, patterned] = [await answer(model, "b"), await answer(model, "a")];
    const running = answer(model, "x");
    const replaced = model.adapters.add("x", patterns);
    expect(await running).toBe(plainly);
    await replaced;
    const last = answer(model, "x");
    // The request has its lease by now.
    await new Promise((resolve) => setImmediate(resolve));
    expect(model.adapters.remove("x")).toBe(true);
    expect(await last).toBe(patterned);
    await expect(answer(model, "x")).rejects.toMatchObject({ code: "ADAPTER_NAME_UNKNOWN" });
  });

  it("goes on after a request whose adapter cannot be read", async () => {
    const want = await answer(model, "a");
    const other = await loadModel(model.file, {
      ...{ device: "cpu", threads: 1 },
      adapters: { ...adapters, broken: path.join(folder, "nowhere") },
    });
    const [broken, good] = await Promise.allSettled([answer(other, "broken"), answer(other, "a")]);
    expect(broken).toMatchObject({ status: "rejected", reason: { code: "FILE_NOT_FOUND" } });
    expect(good).toEqual({ status: "fulfilled", value: want });
    await other.close();
    await expect(other.adapters.lease("b")).rejects.toMatchObject({ code: "MODEL_CLOSED" });
  });
});

describe("a model whose graph has a bank", () => {
  let file: string;
  beforeAll(async () => {
    file = path.join(folder, "bank-model", "model.onnx");
    await compile({
      input: graphOf("dynamo"),
      output: file,
      load: Object.values(adapters),
      residence: "bank",
    });
  });

  it("answers requests with different members at once, each as with its adapter alone", async () => {
    const model = await loadModel(file, { device: "cpu", threads: 1 });
    const members = [...model.adapters.names, undefined];
    expect(members).toHaveLength(4);
    const alone = [];
    for (const name of members) alone.push(...(await model.generateAll([requestWith(name)])));
    const together = await model.generateAll(members.map(requestWith));
    expect(together.map(({ ids }) => ids)).toEqual(alone.map(({ ids }) => ids));
    expect(new Set(alone.map(({ ids }) => ids.join())).size).toBeGreaterThan(1);
    await model.close();
  });

  it("has them in one run", async () => {
    const session = await openSession(file, { threads: 1 });
    const ran: string[] = [];
    const watched: Session = {
      ...session,
      run: (feeds, ...rest) => {
        ran.push(Array.from((feeds as Tensors).get("adapter_ids")?.data ?? [], String).join());
        return session.run(feeds, ...rest);
      },
    };
    const members = [2, null, 0, 1];
    await new Promise<void>((resolve) => {
      let ends = 0;
      const options = { maxBatch: 8, contextLength: null };
      const engine = new Engine(decoderGraph(watched), options, ({ type }) => {
        if (type === "end" && ++ends === members.length) resolve();
      });
      const request = { prompt, maxNewTokens: 4, stopIds: [], sampling: {}, rules: {}, logprobs: null };
      for (const [id, adapter] of members.entries()) engine.submit({ ...request, id, adapter });
    });
    // The prompts, and three steps behind the first token.
    expect(ran).toEqual(Array.from({ length: 4 }, () => "2,-1,0,1"));
    await session.close();
  });
});

function requestWith(adapter: string | undefined): GenerateRequest {
  return { prompt, maxNewTokens: 12, ...(adapter === undefined ? {} : { adapter }) };
}
