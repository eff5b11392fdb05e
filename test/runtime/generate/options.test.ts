import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import path from "node:path";
import { compile } from "../../../compiler/compile/compile.ts";
import { AdapterStore } from "../../../runtime/adapters/store.ts";
import { generate, type GenerateOptions } from "../../../runtime/generate/generate.ts";
import { sampler } from "../../../runtime/generate/sampling.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { tensorFrom } from "../../../runtime/session/tensor.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { collect } from "../collect.ts";
import { graphOf } from "../oracle.ts";

const folder = temporaryFolder();
const peft = (name: string): string =>
  path.resolve(import.meta.dirname, "../../../samples/models/peft", name);
let base: Session;
beforeAll(async () => {
  base = await openSession(graphOf("dynamo"), { threads: 1 });
});
afterAll(() => base.close());

const ids = (session: Session, options: GenerateOptions = {}, prompt = [1, 5, 9]): Promise<number[]> =>
  collect(generate(session, prompt, { maxNewTokens: 4, ...options }));

describe("what JavaScript lets through is checked", () => {
  it.each([[[NaN]], [[1, 2.5]], [[-1]], [[1, Infinity]], [["3"]]])("ids %j", async (prompt) => {
    await expect(ids(base, {}, prompt as number[])).rejects.toMatchObject({ code: "GENERATE_OPTION" });
  });

  it.each([
    ["temperature", NaN],
    ["temperature", -1],
    ["temperature", Infinity],
    ["topK", -1],
    ["topK", 1.5],
    ["topK", NaN],
    ["topP", NaN],
    ["topP", 1.1],
    ["minP", NaN],
    ["minP", -0.1],
    ["repetitionPenalty", 0],
    ["repetitionPenalty", Infinity],
    ["seed", NaN],
    ["maxNewTokens", NaN],
    ["maxNewTokens", -2],
    ["maxNewTokens", "4"],
    ["stops", [NaN]],
    ["signal", {}],
  ])("%s %j", async (option, value) => {
    const refusal = { code: "GENERATE_OPTION", diagnostics: [{ what: `${option} is not valid` }] };
    await expect(ids(base, { [option]: value })).rejects.toMatchObject(refusal);
  });

  it("by the sampler too", () => {
    expect(() => sampler({ temperature: NaN })).toThrow("GENERATE_OPTION");
    expect(() => sampler({ temperature: 1, topK: 0.5 })).toThrow("GENERATE_OPTION");
  });
});

describe("a signal", () => {
  it("that was aborted before runs nothing", async () => {
    const reason = new Error("enough");
    await expect(ids(base, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("ends the loop between two tokens", async () => {
    const controller = new AbortController();
    const got: number[] = [];
    const loop = async (): Promise<void> => {
      for await (const id of generate(base, [1, 5, 9], { maxNewTokens: 50, signal: controller.signal })) {
        got.push(id);
        if (got.length === 2) controller.abort();
      }
    };
    await expect(loop()).rejects.toMatchObject({ name: "AbortError" });
    expect(got).toHaveLength(2);
  });
});

describe("generate on a graph that takes adapters", () => {
  it("names the store where none is given, and takes its feeds as a Map or an object", async () => {
    const output = path.join(folder, "inputs/model.onnx");
    await compile({
      input: graphOf("dynamo"),
      output,
      adapter: "lora",
      sites: "q_proj",
      residence: "inputs",
    });
    const session = await openSession(output, { threads: 1 });
    await expect(ids(session)).rejects.toMatchObject({
      code: "GENERATE_ADAPTER",
      diagnostics: [{ fix: expect.stringContaining("AdapterStore") }],
    });
    const { feeds } = await new AdapterStore(session).lease(null);
    const want = await ids(base);
    expect(await ids(session, { inputs: feeds })).toEqual(want);
    expect(await ids(session, { inputs: Object.fromEntries(feeds) })).toEqual(want);
    const typo = { ...Object.fromEntries(feeds), adapters: tensorFrom("float", [1], () => 0) };
    await expect(ids(session, { inputs: typo })).rejects.toMatchObject({ code: "INPUT_UNKNOWN" });
    await session.close();
  });

  it("checks the ids of a bank: range, and one for each row", async () => {
    const output = path.join(folder, "bank/model.onnx");
    const load = [peft("plain"), peft("patterns")];
    await compile({ input: graphOf("dynamo"), output, load, residence: "bank" });
    const session = await openSession(output, { threads: 1 });
    await expect(ids(session)).rejects.toMatchObject({ code: "GENERATE_ADAPTER" });
    const chosen = (...list: number[]): GenerateOptions => ({
      inputs: { adapter_ids: tensorFrom("int64", [list.length], (i) => list[i] ?? 0) },
    });
    expect(await ids(session, chosen(-1))).toEqual(await ids(base));
    await expect(ids(session, chosen(2))).rejects.toMatchObject({
      code: "ADAPTER_IDS_RANGE",
      diagnostics: [{ wanted: "-1 for the base, or one from 0 to 1", found: "2" }],
    });
    await expect(ids(session, chosen(-2))).rejects.toMatchObject({ code: "ADAPTER_IDS_RANGE" });
    await expect(ids(session, chosen(0, 1))).rejects.toMatchObject({
      code: "ADAPTER_IDS_COUNT",
      diagnostics: [{ what: "adapter_ids must have one id for each row", wanted: "1 ids", found: "2" }],
    });
    await session.close();
  });
});
