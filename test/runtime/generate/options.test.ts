import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { sampler } from "../../../runtime/generate/sampling.ts";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest, Model, Result } from "../../../runtime/model/types.ts";
import { makeFeeds } from "../../../runtime/session/feeds.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { tensorFrom } from "../../../runtime/session/tensor.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { graphOf } from "../oracle.ts";

const folder = temporaryFolder();
const peft = (name: string): string =>
  path.resolve(import.meta.dirname, "../../../samples/models/peft", name);
let model: Model;
beforeAll(async () => {
  model = await loadModel(graphOf("dynamo"), { device: "cpu", threads: 1 });
});
afterAll(() => model.close());

const ask = (request: object): Promise<Result> =>
  model.generate({ prompt: [1, 5, 9], maxNewTokens: 4, ...(request as GenerateRequest) }).result();

describe("what JavaScript lets through is checked", () => {
  it.each([[[NaN]], [[1, 2.5]], [[-1]], [[1, Infinity]], [["3"]]])("ids %j", async (prompt) => {
    await expect(ask({ prompt })).rejects.toMatchObject({ code: "GENERATE_OPTION" });
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
    ["stopIds", [NaN]],
    ["signal", {}],
  ])("%s %j", async (option, value) => {
    const refusal = { code: "GENERATE_OPTION", diagnostics: [{ what: `${option} is not valid` }] };
    await expect(ask({ [option]: value })).rejects.toMatchObject(refusal);
  });

  it("by the sampler too", () => {
    expect(() => sampler({ temperature: NaN })).toThrow("GENERATE_OPTION");
    expect(() => sampler({ temperature: 1, topK: 0.5 })).toThrow("GENERATE_OPTION");
  });
});

it("runs nothing for a signal that was aborted before", async () => {
  const reason = new Error("enough");
  await expect(ask({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

it("checks the ids that a session of a bank is fed: range, and one for each row", async () => {
  const output = path.join(folder, "bank/model.onnx");
  const load = [peft("plain"), peft("patterns")];
  await compile({ input: graphOf("dynamo"), output, load, residence: "bank" });
  const session = await openSession(output, { threads: 1 });
  const feeds = makeFeeds(session, { batch: 1, sequence: 3, past: 0 });
  const run = (...ids: number[]): Promise<unknown> =>
    session.run(new Map([...feeds, ["adapter_ids", tensorFrom("int64", [ids.length], (i) => ids[i] ?? 0)]]));
  await expect(run(-1)).resolves.toBeDefined();
  await expect(run(2)).rejects.toMatchObject({
    code: "ADAPTER_IDS_RANGE",
    diagnostics: [{ wanted: "-1 for the base, or one from 0 to 1", found: "2" }],
  });
  await expect(run(-2)).rejects.toMatchObject({ code: "ADAPTER_IDS_RANGE" });
  await expect(run(0, 1)).rejects.toMatchObject({
    code: "ADAPTER_IDS_COUNT",
    diagnostics: [{ what: "adapter_ids must have one id for each row", wanted: "1 ids", found: "2" }],
  });
  await session.close();
});
