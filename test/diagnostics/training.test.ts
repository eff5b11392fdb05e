import { expect, test } from "@jest/globals";
import { TRAIN_KEY, trainingIn, type Training } from "../../compiler/ops/training.ts";

const described: Training = {
  version: 1,
  emit: "update",
  memory: "selective",
  accumulate: false,
  dropout: 0.1,
  lossScale: false,
  vocabulary: 512,
  parameters: [
    { name: "model.layers.0.mlp.tokenformer_p", shape: [2, 8], decay: true, site: "model.layers.0.mlp" },
    { name: "model.norm.weight", shape: [8], decay: false, site: null },
  ],
};

const [first] = described.parameters;

test("what a training graph says of itself is read back", () => {
  expect(trainingIn(new Map([[TRAIN_KEY, JSON.stringify(described)]]), "m.onnx")).toEqual(described);
  expect(trainingIn(new Map(), "m.onnx")).toBeNull();
});

test.each([
  "training",
  "null",
  "[]",
  JSON.stringify({ ...described, version: 2 }),
  JSON.stringify({ ...described, emit: "weights" }),
  JSON.stringify({ ...described, memory: "all" }),
  JSON.stringify({ ...described, dropout: 1 }),
  JSON.stringify({ ...described, dropout: "0.1" }),
  JSON.stringify({ ...described, vocabulary: 0 }),
  JSON.stringify({ ...described, parameters: {} }),
  JSON.stringify({ ...described, parameters: [first, first] }),
  JSON.stringify({ ...described, parameters: [{ ...first, shape: [-1] }] }),
  JSON.stringify({ ...described, parameters: [{ ...first, site: 3 }] }),
])("what is no description is refused: %s", (text) => {
  expect(() => trainingIn(new Map([[TRAIN_KEY, text]]), "m.onnx")).toThrow("TRAIN_METADATA_INVALID");
});
