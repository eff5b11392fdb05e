import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { loraOf, writeWeights } from "../support/adapters.ts";
import { refused } from "../support/refused.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";

const folder = temporaryFolder();
const models = path.resolve(import.meta.dirname, "../../samples/models");
const base = path.join(models, "austen-llama/torchscript/model.onnx");
const adapters = {
  lora: path.join(models, "peft/patterns"),
  scalarlm: path.join(models, "scalarlm"),
  pattention: path.join(models, "tokenformer/state_dict.pt"),
};
let count = 0;
const next = (ending: string): string => path.join(folder, `${String(count++)}${ending}`);

interface Printed {
  readonly levels: readonly { readonly same: boolean; readonly maxAbs: number }[];
  readonly sites: readonly { readonly dropped: number }[];
}

describe("tfc grow", () => {
  it.each([
    ["lora", "--rank", ""],
    ["scalarlm", "--rank", ".pt"],
    ["pattention", "--tokens", ".safetensors"],
  ] as const)("doubles %s, and proves in onnxruntime that nothing changed", async (kind, size, ending) => {
    const output = next(ending);
    const args = [adapters[kind], "-o", output, size, "2x", "--check", base, "--json"];
    const { status, stdout, stderr } = await tfcHere("grow", ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const { levels, sites } = JSON.parse(stdout) as Printed;
    expect(levels.map(({ same }) => same)).toEqual([true, true]);
    // The new slices add zeros, also where sums are longer than before.
    for (const { maxAbs } of levels) expect(maxAbs).toBeLessThan(1e-5);
    const [before, after] = [readAdapter(adapters[kind]), readAdapter(output)];
    expect(sites).toHaveLength(before.parts.length);
    expect(after.parts.map(({ site }) => site)).toEqual(before.parts.map(({ site }) => site));
    expect([...after.overrides.keys()]).toEqual([...before.overrides.keys()]);
  });

  it("proves it in a graph with a paged cache, too", async () => {
    const paged = path.join(models, "austen-llama/vllm/paged.onnx");
    const output = next(".safetensors");
    const { status, stderr } = await tfcHere(
      ...["grow", adapters.scalarlm, "-o", output, "--rank", "2x", "--check", paged],
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("says that nothing changed where an adapter has the size already", async () => {
    const args = [adapters.lora, "-o", next(".safetensors"), "--rank", "1x"];
    for (const command of ["grow", "shrink"]) {
      const { status, stderr } = await tfcHere(command, ...args);
      expect(status).toBe(0);
      expect(stderr).toContain("warning RESIZE_UNCHANGED: the adapter has this size already");
    }
  });

  it("refuses tokens that no memory holds", async () => {
    const args = [adapters.pattention, "-o", next(".safetensors"), "--tokens", String(2 ** 24)];
    const message = await refused(folder, "grow", ...args);
    expect(message).toContain("error ADAPTER_TOO_LARGE: the adapter would be too large: model.layers.0.");
  });

  it("writes nothing where a model would show a difference", async () => {
    // The adapter is for six layers; that of another model has no place in it.
    const other = path.join(models, "families/llama2-dynamo/model.onnx");
    const args = [adapters.scalarlm, "-o", next(".pt"), "--rank", "2x", "--check", other];
    expect(await refused(folder, "grow", ...args)).toContain("error ADAPTER_LEAF_SHAPE");
  });

  it("says which site of the adapter a model has no place for", async () => {
    const site = "model.layers.99.self_attn.q_proj";
    const lora = loraOf(site, { inFeatures: 128, outFeatures: 128 });
    const file = await writeWeights(next(".safetensors"), lora);
    const args = ["--alpha", "2", "-o", next(".safetensors"), "--rank", "2x", "--check", base];
    const message = await refused(folder, "grow", file, ...args);
    expect(message).toContain(
      `error ADAPTER_SITE_MISSING: the model has no place for the adapter of ${site}`,
    );
  });

  it.each([
    [["--rank", "0"], "OPTION_OUT_OF_RANGE"],
    [["--rank", "0x"], "OPTION_OUT_OF_RANGE"],
    [["--rank", "many"], "OPTION_OUT_OF_RANGE"],
    [["--tokens", "2x"], "RESIZE_NOTHING"],
    [["--rank", "1"], "RESIZE_DIRECTION"],
    [["--rank", "65537"], "OPTION_OUT_OF_RANGE"],
    [["--rank", "99999x"], "OPTION_OUT_OF_RANGE"],
    [[], "USAGE"],
  ])("refuses %j", async (args, code) => {
    const message = await refused(folder, "grow", adapters.scalarlm, "-o", next(".pt"), ...args);
    expect(message).toContain(`error ${code}: `);
  });

  it("never writes over what it reads", async () => {
    const file = next(".safetensors");
    await tfcHere("adapter", "import", adapters.scalarlm, "-o", file);
    expect(await refused(folder, "grow", file, "-o", file, "--rank", "2x")).toContain(
      "error OUTPUT_IS_INPUT",
    );
  });
});

describe("tfc shrink", () => {
  it("says how much was dropped, and by how much a model's outputs change", async () => {
    const output = next(".safetensors");
    const args = [adapters.pattention, "-o", output, "--tokens", "0.5x", "--check", base, "--json"];
    const { status, stdout } = await tfcHere("shrink", ...args);
    expect(status).toBe(0);
    const { levels, sites } = JSON.parse(stdout) as Printed;
    for (const { dropped } of sites) expect(dropped).toBeGreaterThan(0.1);
    for (const { dropped } of sites) expect(dropped).toBeLessThan(0.5);
    for (const { maxAbs } of levels) expect(maxAbs).toBeGreaterThan(0.1);
    expect(readAdapter(output).parts).toHaveLength(30);
  });

  it("prints a line for each size", async () => {
    const { stdout } = await tfcHere("shrink", adapters.lora, "-o", next(""), "--rank", "1");
    expect(stdout).toMatch(/^lora {3}1 site, rank 8 → 1, \d+\.\d\d% of the norms dropped$/m);
  });

  it("refuses more than there is", async () => {
    const message = await refused(folder, "shrink", adapters.scalarlm, "-o", next(".pt"), "--rank", "9");
    expect(message).toContain("error RESIZE_DIRECTION: tfc shrink cannot give the adapter this rank");
    expect(filesIn(folder).some((name) => name.endsWith(".tmp"))).toBe(false);
  });
});
