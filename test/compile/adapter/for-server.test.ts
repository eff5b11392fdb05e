import { readFileSync, readdirSync, writeFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { convertAdapter } from "../../../compiler/compile/adapter/convert.ts";
import { compareAdapters } from "../../../compiler/weights/compare.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { readRoot } from "../../../compiler/weights/names/state-dict.ts";
import { isDict } from "../../../compiler/weights/torch/index.ts";
import {
  loraOf,
  pattentionOf,
  refusalOf,
  scalarlmOf,
  writePeft,
  writeWeights,
} from "../../support/adapters.ts";
import { filesIn, temporaryFolder } from "../../support/folder.ts";
import { tfcHere } from "../../support/tfc.ts";

const root = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../../samples/models");
const scalarlm = path.join(samples, "scalarlm");
const mlp = (layer: number): string => `model.layers.${layer}.mlp`;
let count = 0;
const next = (ending = ""): string => path.join(root, `${count++}${ending}`);

describe("an adapter of ScalarLM", () => {
  it("becomes the one checkpoint of a folder, from which the server takes the same numbers", async () => {
    const [safetensors, output] = [next(".safetensors"), next()];
    await convertAdapter({ input: scalarlm, output: safetensors });
    const report = await convertAdapter({ input: safetensors, output, for: "scalarlm", step: 7 });
    expect([report.format, readdirSync(output)]).toEqual(["torch", ["checkpoint_7.pt"]]);
    expect(compareAdapters(readAdapter(scalarlm), readAdapter(output), 0).differences).toEqual([]);
    // As the server reads it.
    const state = readRoot(path.join(output, "checkpoint_7.pt")).get("model_state_dict");
    const names = state !== undefined && isDict(state) ? [...state.keys()].map(String) : [];
    const served = names.filter((name) => /tokenformer|lm_head/.test(name));
    expect(served).toHaveLength(18);
    expect(served).toContain("model.layers.5.mlp.tokenformer_p");
  });

  it("tells what the server must be started with, and what it leaves out", async () => {
    const { diagnostics } = await convertAdapter({ input: scalarlm, output: next(), for: "scalarlm" });
    expect(diagnostics.map(({ code, severity }) => `${severity} ${code}`)).toEqual([
      "note SERVER_SETTINGS",
      "warning SERVER_LEAVES_OUT",
    ]);
    expect(diagnostics[0]?.fix).toBe("start it with TOKENFORMER_R=2 TOKENFORMER_NUM_HEADS=4");
    expect(diagnostics[1]?.what).toContain("9 weights of the base");
  });

  it("is refused in a folder with another checkpoint, whose old one it replaces", async () => {
    const output = next();
    await convertAdapter({ input: scalarlm, output, for: "scalarlm", step: 1 });
    await convertAdapter({ input: scalarlm, output, for: "scalarlm", step: 1 });
    const before = filesIn(root);
    const act = (): Promise<unknown> => convertAdapter({ input: scalarlm, output, for: "scalarlm", step: 2 });
    expect(await refusalOf(act)).toMatchObject({
      code: "OUTPUT_OTHER_CHECKPOINT",
      file: output,
      found: "checkpoint_1.pt",
    });
    expect(filesIn(root)).toEqual(before);
  });

  it.each([
    ["model.layers.0.self_attn", scalarlmOf("model.layers.0.self_attn"), "not called mlp"],
    [mlp(1), { ...scalarlmOf(mlp(0)), ...scalarlmOf(mlp(1), { rank: 5 }) }, "TOKENFORMER_R=5"],
    [mlp(0), pattentionOf(mlp(0)), "of kind pattention"],
  ])("is refused where the server would not apply it: %s", async (name, weights, text) => {
    const input = await writeWeights(next(".safetensors"), weights);
    const settings = text.includes("pattention") ? { norm: "softmax" } : {};
    const act = (): Promise<unknown> => convertAdapter({ input, output: next(), for: "scalarlm", settings });
    expect(await refusalOf(act)).toMatchObject({
      code: "ADAPTER_FORMAT_CANNOT",
      file: input,
      name,
      text: expect.stringContaining(text),
    });
  });
});

describe("LoRA", () => {
  it("becomes a PEFT folder of one scale", async () => {
    const [input, output] = [path.join(samples, "peft/plain"), next()];
    const report = await convertAdapter({ input, output, for: "scalarlm" });
    expect([report.format, report.diagnostics]).toEqual(["peft", []]);
    expect(compareAdapters(readAdapter(input), readAdapter(output), 0).differences).toEqual([]);
    const config = JSON.parse(readFileSync(path.join(output, "adapter_config.json"), "utf8")) as object;
    expect(config).toMatchObject({ modules_to_save: null, use_dora: false, alpha_pattern: {} });
  });

  it("of a high rank names vLLM's flag for it", async () => {
    const weights = loraOf("model.layers.0.self_attn.q_proj", { rank: 24, inFeatures: 32, outFeatures: 32 });
    const input = await writePeft(next(), weights, { r: 24, layers_to_transform: [0] });
    const { diagnostics } = await convertAdapter({ input, output: next(), for: "scalarlm" });
    expect(diagnostics.map(({ fix }) => fix)).toEqual(["start it with --max-lora-rank 24"]);
  });

  it.each([
    ["peft/patterns", "LoRA scaled by"],
    ["peft/dora", "found DoRA"],
    ["peft/saved-modules", "a weight of the base"],
  ])("is refused where vLLM would compute something else: %s", async (name, text) => {
    const output = next();
    const act = (): Promise<unknown> =>
      convertAdapter({ input: path.join(samples, name), output, for: "scalarlm" });
    expect(await refusalOf(act)).toMatchObject({
      code: "ADAPTER_FORMAT_CANNOT",
      text: expect.stringContaining(text),
    });
    expect(filesIn(root).some((file) => file.startsWith(output))).toBe(false);
  });
});

it("the command has a flag, which goes with no format and no file", async () => {
  const output = next();
  const done = await tfcHere("adapter", "export", scalarlm, "-o", output, "--scalarlm", "--step", "3");
  expect([done.status, readdirSync(output)]).toEqual([0, ["checkpoint_3.pt"]]);
  expect(done.stderr).toContain("TOKENFORMER_R=2");
  for (const [more, text] of [
    [["-o", next(), "--format", "torch"], "--scalarlm does not go with --format torch"],
    [["-o", next(".pt")], "--scalarlm does not go with a file"],
    [["-o", next(), "--layout", "genai"], "layout"],
  ] as const) {
    const refused = await tfcHere("adapter", "export", scalarlm, "--scalarlm", ...more);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining(text)]);
  }
  mkdirSync(path.join(output, "sub"));
  writeFileSync(path.join(output, "other.pt"), "");
  const other = await tfcHere("adapter", "export", scalarlm, "-o", output, "--scalarlm", "--step", "3");
  expect([other.status, other.stderr]).toEqual([1, expect.stringContaining("OUTPUT_OTHER_CHECKPOINT")]);
});
