import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loadModel } from "../../../runtime/model/load.ts";
import { loadTokenizer } from "../../../runtime/generate/tokenizer.ts";
import type { Model } from "../../../runtime/model/types.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { samples } from "./graphs.ts";

const root = temporaryFolder();
const beside = (name: string): string => path.join(import.meta.dirname, name);

/** What samples/export/merged_decoder.py wrote. */
interface Answer {
  readonly prompt: readonly number[];
  readonly ids: readonly number[];
}

describe("a decoder of two halves merged by optimum, which use_cache_branch chooses between", () => {
  const answers = JSON.parse(readFileSync(beside("merged.json"), "utf8")) as readonly Answer[];
  const requests = answers.map(({ prompt, ids }) => ({ prompt, maxNewTokens: ids.length, stopIds: [] }));
  let model: Model;
  beforeAll(async () => {
    const folder = path.join(root, "merged");
    mkdirSync(folder);
    const graph = gunzipSync(readFileSync(beside("merged.onnx.gz")));
    // As optimum leaves it: the halves are still there.
    for (const name of ["decoder_model", "decoder_model_merged", "decoder_with_past_model"])
      writeFileSync(path.join(folder, `${name}.onnx`), name.endsWith("merged") ? graph : "a half");
    model = await loadModel(folder, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  it("gives the tokens of transformers, one after another", async () => {
    for (const [i, request] of requests.entries())
      expect((await model.generate(request).result()).ids).toEqual(answers[i]?.ids);
  });

  it("gives them to several at once, also to one that comes later", async () => {
    const first = model.generate({ prompt: [7, 8], maxNewTokens: 30, stopIds: [] });
    for await (const piece of first.pieces()) if (piece.ids.length > 0) break;
    const results = await model.generateAll(requests);
    expect(results.map(({ ids }) => ids)).toEqual(answers.map(({ ids }) => ids));
  });
});

describe("a folder", () => {
  const austen = path.join(samples, "austen-llama");
  const graph = ["model.onnx", "model.onnx.data"];
  const texts = ["tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"];
  const genai = {
    model: { decoder: { filename: "text/decoder.onnx" }, context_length: 64, eos_token_id: 2, type: "llama" },
  };

  /** A folder with the sample's files of text, and its graph in a folder below under a name. */
  function layOut(name: string, below: string, file: string): string {
    const folder = path.join(root, name);
    mkdirSync(path.join(folder, below), { recursive: true });
    for (const one of texts) copyFileSync(path.join(austen, one), path.join(folder, one));
    for (const one of graph) {
      const to = one === "model.onnx" ? file : one;
      copyFileSync(path.join(austen, "dynamo", one), path.join(folder, below, to));
    }
    return folder;
  }

  it.each([
    ["transformers.js", "onnx", "model.onnx", {}, 512],
    ["onnxruntime-genai", "text", "decoder.onnx", { "genai_config.json": genai }, 64],
  ] as const)("as %s has it is loaded, its tokenizer too", async (name, below, file, more, context) => {
    const folder = layOut(name, below, file);
    for (const [one, content] of Object.entries(more))
      writeFileSync(path.join(folder, one), JSON.stringify(content));
    // The builder of onnxruntime-genai writes its own configuration only.
    if ("genai_config.json" in more) rmSync(path.join(folder, "config.json"));
    const request = { prompt: "It was", maxNewTokens: 8, stopIds: [] };
    const tokenizer = loadTokenizer(austen);
    const plain = await loadModel(path.join(austen, "dynamo/model.onnx"), { device: "cpu" });
    const wanted = await plain.generate({ ...request, prompt: tokenizer.encode("It was") }).result();
    await plain.close();
    for (const where of [folder, path.join(folder, below, file)]) {
      const model = await loadModel(where, { device: "cpu" });
      expect(model.file).toBe(path.join(folder, below, file));
      expect((await model.generate(request).result()).ids).toEqual(wanted.ids);
      expect(model.contextLength).toBe(context);
      await model.close();
    }
  });
});
