import { expect, test } from "vitest";
import "@tokenformer/tfc/vitest";

const model = process.env.MODEL ?? "../models/families/llama2-dynamo/model.onnx";

test("the exporter still writes the graph that we ship", () => {
  expect(model).toMatchGoldenGraph("llama2");
});

test("an export computes what the one before computed", async () => {
  await expect(model).toComputeLike(process.env.SHIPPED ?? model, { tolerance: 1e-5 });
});
