import path from "node:path";
import { expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { decodeLoopIn, LOOP_KEY } from "../../compiler/ops/decode-loop.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";

const folder = temporaryFolder();
const samples = "samples/models";

const loop = (model: string, ...flags: readonly string[]): Promise<string> =>
  refused(
    folder,
    ...["compile", path.join(samples, model), "--decode-loop", "-o", path.join(folder, "no.onnx"), ...flags],
  );

it.each([
  ["austen-llama/vllm/paged.onnx", 'its cache is paged: the input "cache.0.key"'],
  ["new-families/lfm2-transformers/model.onnx", "holds no keys or values"],
])("a graph whose cache goes through no loop is refused: %s", async (model, why) => {
  const message = await loop(model);
  expect(message).toContain("error DECODE_LOOP_REFUSED: this graph cannot be made a loop that generates");
  expect(message).toContain(why);
  expect(message).toContain("fix: leave out --decode-loop: `tfc generate` runs such a graph step by step");
});

it("positions that are listed contradict a loop", async () => {
  const message = await loop("austen-llama/dynamo/model.onnx", "--logit-rows");
  expect(message).toContain("error OPTION_CONFLICT: --logit-rows");
  expect(message).toContain("--decode-loop");
});

it("a loop is not compiled again", async () => {
  const output = path.join(folder, "loop.onnx");
  await compile({
    input: path.join(samples, "families/llama2-dynamo/model.onnx"),
    output,
    adapters: false,
    decodeLoop: true,
  });
  const again = await refused(folder, "compile", output, "-o", path.join(folder, "no.onnx"));
  expect(again).toContain("error ALREADY_LOOP: this graph is a loop of decoder steps already");
  const compared = await refused(
    folder,
    "verify",
    path.join(samples, "families/llama2-dynamo/model.onnx"),
    output,
  );
  expect(compared).toContain("error VERIFY_LOOP: a graph that generates by itself gives tokens");
  const { stdout } = await tfcHere("inspect", output);
  expect(stdout).toContain("generates    by itself: a loop holds the decoder, sampling and stop ids");
  expect(stdout).toMatch(/^attention +2 of 2 understood$/m);
});

it.each(["", "null", "[]", '{"hasMask":true,"hasPositions":true,"room":0,"vocabulary":1}'])(
  "metadata that describe no loop are refused: %s",
  (text) => {
    expect(() => decodeLoopIn(new Map([[LOOP_KEY, text]]), "m.onnx")).toThrow("LOOP_METADATA_INVALID");
  },
);
