import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { merge } from "../../compiler/compile/merge.ts";
import { loraOf, pattentionOf, writeWeights } from "../support/adapters.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere, type Outcome } from "../support/tfc.ts";

const folder = temporaryFolder();
const models = path.resolve(import.meta.dirname, "../../samples/models");
const base = path.join(models, "austen-llama/dynamo/model.onnx");
const [plain, patterns, scalarlm] = ["peft/plain", "peft/patterns", "scalarlm"].map((name) =>
  path.join(models, name),
) as [string, string, string];

async function compiled(name: string, options: Partial<CompileOptions>, input = base): Promise<string> {
  const output = path.join(folder, name, "model.onnx");
  await compile({ input, output, ...options });
  return output;
}

function verify(graph: string, ...more: readonly string[]): Promise<Outcome> {
  return tfcHere("verify", base, graph, "--cases", "2x3+4", ...more);
}

const equal = /^off .* equal within 1e-4\nall .* equal within 1e-4$/m;

describe("tfc verify --load", () => {
  it("holds a compiled graph against LoRA merged into the base", async () => {
    const { status, stdout } = await verify(await compiled("lora", { load: [patterns] }), "--load", patterns);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^apart {2}base and ${patterns}: 42 LoRA merged into the weights\n`));
    expect(stdout).toMatch(equal);
  });

  it("holds it against other adapters written out, and weights of the base", async () => {
    const { status, stdout } = await verify(
      await compiled("scalarlm", { load: [scalarlm] }),
      "--load",
      scalarlm,
    );
    expect({ status, first: stdout.split("\n")[0] }).toEqual({
      status: 0,
      first: `apart  base and ${scalarlm}: 6 written out beside the base, 9 weights of the base`,
    });
    expect(stdout).toMatch(equal);
  });

  it.each(["l2_norm_gelu", "gelu_l2_norm", "softmax"])("knows pattention by %s", async (norm) => {
    const fast = ["--optimizations", "off"];
    const file = path.join(folder, `${norm}.safetensors`);
    await writeWeights(
      file,
      pattentionOf("model.layers.0.mlp", { inFeatures: 128, outFeatures: 128, tokens: 5 }),
    );
    const graph = await compiled(norm, { load: [file], settings: { norm, tau: 3 } });
    const hints = ["--norm", norm, "--tau", "3"];
    expect(await verify(graph, "--load", file, ...hints, ...fast)).toMatchObject({ status: 0 });
    // Another factor is another adapter.
    const other = await verify(graph, "--load", file, "--norm", norm, "--tau", "4", ...fast);
    expect(other).toMatchObject({ status: 1 });
  });

  it.each(["inputs", "optional-inputs"] as const)(
    "feeds a graph that takes adapters as %s",
    async (residence) => {
      const graph = await compiled(residence, { load: [scalarlm], residence });
      const { status, stdout } = await verify(graph, "--load", scalarlm);
      expect(status).toBe(0);
      expect(stdout).toMatch(equal);
    },
  );

  it("holds each member of a bank against its own adapter", async () => {
    const graph = await compiled("bank", { load: [plain, patterns], residence: "bank" });
    const both = await verify(graph, "--load", plain, "--load", patterns, "--json");
    expect(both.status).toBe(0);
    expect(JSON.parse(both.stdout)).toMatchObject({
      same: true,
      loads: [
        { load: plain, member: 0, same: true, apart: { merged: 12, beside: 0, overrides: 0 } },
        { load: patterns, member: 1, same: true, apart: { merged: 42 } },
      ],
    });
    const wrong = await verify(graph, "--load", plain, "--adapter-ids", "1");
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain("check that this is the one it runs with");
    const few = await verify(graph, "--load", plain, "--adapter-ids", "0,1");
    expect(few.stderr).toContain("wanted one member for each --load");
  });

  it("holds a merged model against LoRA beside the base", async () => {
    const output = path.join(folder, "merged", "model.onnx");
    await merge({ input: base, output, load: patterns });
    const { status, stdout } = await verify(output, "--load", patterns);
    expect(status).toBe(0);
    expect(stdout).toContain("42 written out beside the base");
    const other = await verify(base, "--load", patterns);
    expect(other.status).toBe(1);
    expect(other.stderr).toContain("fix: the second model holds no adapters that tfc put in");
  });

  it("says of another adapter what is another", async () => {
    const graph = await compiled("other", { load: [plain] });
    const sites = await verify(graph, "--load", scalarlm);
    expect(sites.status).toBe(1);
    expect(sites.stderr).toContain(`wanted what ${base} and ${scalarlm} compute apart from it`);
    expect(sites.stderr).toContain("fix: the graph has no adapter at model.layers.0.mlp, which the file has");
    const site = "model.layers.0.self_attn.q_proj";
    const files = await Promise.all(
      [1, 2].map((seed) =>
        writeWeights(
          path.join(folder, `lora-${seed}.safetensors`),
          loraOf(site, { inFeatures: 128, outFeatures: 128, seed }),
        ),
      ),
    );
    const [one = "", two = ""] = files;
    const settings = { alpha: 8 };
    const numbers = await verify(
      await compiled("numbers", { load: [one], settings }),
      "--load",
      two,
      "--alpha",
      "8",
    );
    expect(numbers.stderr).toContain(`fix: the graph has another ${site}.lora_A.weight than the file`);
    const scale = await verify(path.join(folder, "numbers/model.onnx"), "--load", one, "--alpha", "16");
    expect(scale.stderr).toContain("fix: the graph holds this adapter's weights");
  });

  it("takes what a base that quantizes its activations makes of roundings for such", async () => {
    const input = path.join(models, "families/llama2-quantized-dynamic/model.onnx");
    const load = path.resolve(import.meta.dirname, "../models/adapted/steps/llama2");
    const graph = await compiled("quantized", { load: [load] }, input);
    const { status, stdout } = await tfcHere("verify", input, graph, "--load", load);
    expect(status).toBe(0);
    expect(stdout).toContain("with what modules read changed as roundings do");
  });

  it("compares half precision by last places", async () => {
    const input = path.join(models, "families/llama2-dynamo-fp16/model.onnx");
    const load = path.join(models, "family-adapters/llama2-trained");
    const graph = await compiled("half", { load: [load] }, input);
    const args = ["verify", input, graph, "--load", load] as const;
    expect(await tfcHere(...args)).toMatchObject({ status: 0 });
    expect(await tfcHere(...args, "--tolerance-ulps", "0.1")).toMatchObject({ status: 1 });
  });

  it("refuses graphs whose projections were replaced", async () => {
    const graph = await compiled("replaced", { replace: [{ sites: "q_proj" }] });
    const { status, stderr } = await verify(graph, "--load", plain);
    expect(status).toBe(1);
    expect(stderr).toContain("error VERIFY_LOAD_IMPOSSIBLE");
    expect(stderr).toContain("projections of the graph were replaced");
  });

  it("leaves nothing behind", async () => {
    const own = path.join(folder, "temporary");
    mkdirSync(own);
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = own;
    try {
      const graph = await compiled("clean", { load: [plain] });
      const files = readdirSync(path.dirname(graph));
      await verify(graph, "--load", scalarlm);
      expect(readdirSync(path.dirname(graph))).toEqual(files);
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
    expect(readdirSync(own)).toEqual([]);
  });
});
