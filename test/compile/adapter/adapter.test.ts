import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import {
  convertAdapter,
  diffAdapters,
  grow,
  listAdapter,
  shrink,
  type ConvertOptions,
  type GrowOptions,
} from "../../../compiler/index.ts";
import { fingerprintOf } from "../../../compiler/recognize/model/fingerprint.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { loraOf, weight, writeWeights } from "../../support/adapters.ts";
import { filesIn, temporaryFolder } from "../../support/folder.ts";
import { tinyDecoder, writeModel } from "../../support/tiny-decoder.ts";

const folder = temporaryFolder();
const site = "model.layers.0.self_attn.q_proj";
let count = 0;
const next = (ending: string): string => path.join(folder, `${String(count++)}${ending}`);
const lora = (module = site): Promise<string> => writeWeights(next(".safetensors"), loraOf(module));
const settings = { alpha: 4 };

describe("listAdapter", () => {
  it("says what is in a file, by kind, leaf and size", async () => {
    expect(listAdapter(await lora(), { settings })).toMatchObject({
      format: "safetensors",
      parts: [
        {
          site,
          kind: "lora",
          settings: { rank: 2, alpha: 4 },
          leaves: { "lora_A.weight": { dtype: "float", shape: [2, 8] }, "lora_B.weight": { shape: [8, 2] } },
        },
      ],
      overrides: {},
      parameters: { leaves: 32, overrides: 0 },
      dtypes: ["float"],
      base: null,
    });
  });

  it("reads the numbers only where they are asked for", async () => {
    const broken = { ...loraOf(site), [`${site}.lora_B.weight`]: infinite([8, 2]) };
    const file = await writeWeights(next(".safetensors"), broken);
    expect(listAdapter(file, { settings }).parts).toHaveLength(1);
    expect(() => listAdapter(file, { settings, check: true })).toThrow(
      expect.objectContaining({ code: "ADAPTER_NOT_FINITE" }),
    );
  });
});

function infinite(shape: readonly number[]): ReturnType<typeof weight> {
  const tensor = weight(shape);
  return { ...tensor, bytes: () => new Uint8Array(new Float32Array(16).fill(Infinity).buffer) };
}

describe("convertAdapter", () => {
  it.each([
    ["torch", ".pt"],
    ["onnx_adapter", ".onnx_adapter"],
    ["peft", ""],
  ] as const)("to %s and back keeps every number", async (format, ending) => {
    const input = await lora();
    const output = next(ending);
    const report = await convertAdapter({ input, output, settings, format });
    expect(report).toMatchObject({ output, format, adapter: { format: "safetensors" } });
    expect(report.files.every((file) => file.startsWith(output.replace(/\.pt$/, "")))).toBe(true);
    const back = next(".safetensors");
    // A state dict of PyTorch has no room for alpha.
    await convertAdapter({ input: output, output: back, ...(format === "torch" ? { settings } : {}) });
    expect(diffAdapters(back, output, format === "torch" ? { settings } : {})).toMatchObject({ same: true });
  });

  it("writes the fingerprint of a base", async () => {
    const base = writeModel(folder, "model.onnx", tinyDecoder());
    const output = next(".safetensors");
    const { adapter } = await convertAdapter({ input: await lora(), output, settings, base });
    const { model } = openModel(base, new Sink());
    expect(JSON.parse(adapter.base ?? "")).toEqual(fingerprintOf(model, viewDecoder(model)));
    expect(listAdapter(output).base).toBe(adapter.base);
  });

  it.each<[string, Partial<ConvertOptions>, string]>([
    ["no format", { output: "folder" }, "USAGE"],
    ["a step of another format", { output: "a.safetensors", step: 3 }, "OPTION_UNKNOWN"],
    ["force without a base", { output: "a.safetensors", force: true }, "OPTION_UNUSED"],
    ["a name that there is not", { output: "a.safetensors", formt: "torch" } as object, "OPTION_UNKNOWN"],
    ["a format that there is not", { output: "a", format: "zip" as "peft" }, "OPTION_UNKNOWN_VALUE"],
    ["a folder of a file's name", { output: "a.pt", format: "peft" }, "OPTION_CONFLICT"],
  ])("refuses %s", async (_, options, code) => {
    const input = await lora();
    const before = filesIn(folder);
    const given = { input, ...options, output: path.join(folder, options.output ?? "") };
    await expect(convertAdapter({ settings, ...given })).rejects.toMatchObject({ code });
    expect(filesIn(folder)).toEqual(before);
  });

  (process.platform === "win32" ? it.skip : it)("warns of a path of Windows", async () => {
    const output = path.join(folder, "out\\a.safetensors");
    const { diagnostics } = await convertAdapter({ input: await lora(), output, settings });
    expect(diagnostics).toMatchObject([{ code: "OUTPUT_PATH_WINDOWS", place: { file: output } }]);
  });
});

describe("grow and shrink", () => {
  it("grow to a number or a multiple, and what was there stays", async () => {
    const input = await lora();
    const [four, double] = [next(".safetensors"), next(".safetensors")];
    expect(await grow({ input, output: four, sizes: { rank: 4 }, settings })).toMatchObject({
      format: "safetensors",
      files: [four],
      sites: [{ site, kind: "lora", from: 2, to: 4, dropped: 0 }],
      levels: [],
      diagnostics: [],
    });
    await grow({ input, output: double, sizes: { rank: "2x" }, settings });
    expect(diffAdapters(four, double)).toMatchObject({ same: true });
    const small = next(".safetensors");
    const { sites } = await shrink({ input: four, output: small, sizes: { rank: 2 } });
    // Two of the four ranks are those that were added, whose B is zero: nothing is lost.
    expect(sites).toMatchObject([{ from: 4, to: 2, dropped: 0 }]);
    expect(diffAdapters(input, small, { settings }).differences.map(({ what }) => what)).not.toContain(
      "numbers",
    );
  });

  it.each<[string, Partial<GrowOptions>, string]>([
    ["no size", { sizes: {} }, "USAGE"],
    ["a size of no kind", { sizes: { width: 3 } }, "OPTION_UNKNOWN"],
    ["a fraction", { sizes: { rank: 2.5 } }, "OPTION_OUT_OF_RANGE"],
    ["a smaller one", { sizes: { rank: 1 } }, "RESIZE_DIRECTION"],
    ["tokens of LoRA", { sizes: { tokens: 8 } }, "RESIZE_NOTHING"],
    ["tokens of LoRA beside a rank", { sizes: { rank: 4, tokens: 8 } }, "RESIZE_NOTHING"],
    ["a seed that is none", { sizes: { rank: 4 }, seed: -1 }, "OPTION_OUT_OF_RANGE"],
    ["an option that there is not", { sizes: { rank: 4 }, rank: 4 } as object, "OPTION_UNKNOWN"],
  ])("grow refuses %s", async (_, options, code) => {
    const given = { input: await lora(), output: next(".safetensors"), settings, sizes: {}, ...options };
    await expect(grow(given)).rejects.toMatchObject({ code });
  });

  it("shrink knows no seed", async () => {
    const given = { input: await lora(), output: next(".safetensors"), sizes: { rank: 1 }, seed: 1 };
    await expect(shrink(given)).rejects.toMatchObject({ code: "OPTION_UNKNOWN" });
  });

  it("never writes over what it reads", async () => {
    const input = await lora();
    await expect(grow({ input, output: input, sizes: { rank: 4 }, settings })).rejects.toMatchObject({
      code: "OUTPUT_IS_INPUT",
    });
  });
});
