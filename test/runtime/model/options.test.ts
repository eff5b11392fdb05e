import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest, Model, ModelOptions } from "../../../runtime/model/types.ts";
import { FLOAT, graphFile } from "../graphs.ts";

const MODEL = "samples/models/austen-llama/torchscript/model.onnx";

/** What a caller in JavaScript may give in place of what the types say. */
function untyped<T>(value: unknown): T {
  return value as T;
}

describe("what a model is loaded with", () => {
  it.each([
    ["a device that nobody knows", { device: "gpu" }, "device"],
    ["an option that there is not", { maxbatch: 2 }, "maxbatch"],
    ["a tokenizer that is no path", { tokenizer: 5 }, "tokenizer"],
    ["adapters that are no object", { adapters: "adapters" }, "adapters"],
    ["adapters in a list", { adapters: ["adapters"] }, "adapters"],
    ["threads of NaN", { threads: NaN }, "threads"],
    ["no rows", { maxBatch: 0 }, "maxBatch"],
    ["null", null, "the options"],
  ])("is refused with %s", async (_, options, named) => {
    await expect(loadModel(MODEL, untyped<ModelOptions>(options))).rejects.toMatchObject({
      code: "GENERATE_OPTION",
      diagnostics: [{ what: `${named} is not valid` }],
    });
  });

  it.each([undefined, 5, null, ""])("is refused for the path %p", async (where) => {
    await expect(loadModel(untyped<string>(where))).rejects.toMatchObject({
      code: "GENERATE_OPTION",
      diagnostics: [{ what: "the model is not valid" }],
    });
  });
});

it("says which graph it is that is no decoder's", async () => {
  const file = graphFile("no-decoder.onnx", {
    inputs: { x: [FLOAT, [1, 3]] },
    outputs: { y: [FLOAT, [1, 3]] },
    nodes: [{ op: "Relu", in: ["x"], out: ["y"] }],
  });
  await expect(loadModel(file)).rejects.toMatchObject({
    code: "GENERATE_UNSUPPORTED",
    diagnostics: [{ place: { file, name: "x" } }],
  });
});

describe("a request that is none", () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(MODEL, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  it.each([undefined, null, "text", [1, 2]])("is refused: %p", async (request) => {
    const answer = model.generate(untyped<GenerateRequest>(request)).result();
    await expect(answer).rejects.toMatchObject({ code: "GENERATE_OPTION" });
  });

  it("is refused in place of a list", async () => {
    const answers = model.generateAll(untyped<GenerateRequest[]>({ prompt: "It is" }));
    await expect(answers).rejects.toMatchObject({
      code: "GENERATE_OPTION",
      diagnostics: [{ what: "the list of requests is not valid" }],
    });
  });
});
