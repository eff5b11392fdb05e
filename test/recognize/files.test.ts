import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openDecoder } from "../../compiler/compile/open-decoder.ts";
import { diffAdapters } from "../../compiler/compile/adapter/diff.ts";
import { extractAdapter } from "../../compiler/compile/adapter/extract.ts";
import { explain } from "../../compiler/compile/explain.ts";
import type { Attention } from "../../compiler/recognize/attention/attention.ts";
import { refusalOf } from "../../compiler/recognize/model/describe.ts";
import { projectionsOf } from "../../compiler/recognize/linear/projections.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";

const files = path.join(import.meta.dirname, "files");
const file = (name: string): string => path.join(files, name);
const folder = temporaryFolder();

describe("LoRA that an exporter left in the graph", () => {
  it("is part of its projections in a graph of onnxruntime-genai", () => {
    const { view } = openDecoder(file("genai-lora.onnx"));
    expect(view.misses).toEqual([]);
    expect(view.layers.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const { attention } of view.layers) {
      if (attention?.kind !== "attention") throw new Error("no attention");
      const withLora = projectionsOf(attention).filter(({ hasLora }) => hasLora);
      expect(withLora.flatMap(({ parts }) => parts)).toEqual([
        { site: "q_proj", width: 128 },
        { site: "v_proj", width: 64 },
      ]);
    }
  });

  it("is named by inspect and explain", async () => {
    const { stdout } = await tfcHere("inspect", file("lora-o-proj.onnx"), "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      lora: [0, 1].map((layer) => ({ layer, sites: ["o_proj"], rank: 4, scale: 2 })),
    });
    const inspected = await tfcHere("inspect", file("lora-o-proj.onnx"));
    expect(inspected.stdout).toMatch(
      /lora +in the graph already, at 2 projections \(o_proj\), of rank 4; tfc adapter extract/,
    );
    const explained = await tfcHere("explain", file("lora-o-proj.onnx"));
    expect(explained.stdout).toContain("plus LoRA of rank 4 times 2");
    expect(explained.stdout).toMatch(/lora +written out in the graph: `tfc adapter extract` takes it out/);
  });

  it("is taken out as the adapter that PEFT had", async () => {
    const adapter = path.join(folder, "extracted");
    await extractAdapter({ input: file("lora-o-proj.onnx"), output: adapter });
    expect(diffAdapters(adapter, file("lora-o-proj")).differences).toEqual([]);
  });

  it("is warned of where trained LoRA goes beside it, and nowhere else", async () => {
    const model = file("lora-o-proj.onnx");
    const to = path.join(folder, "twice.onnx");
    const twice = await tfcHere("compile", model, "--load", file("lora-o-proj"), "-o", to);
    expect(twice.status).toBe(0);
    expect(twice.stderr).toContain(
      "warning LORA_IN_GRAPH: the graph adds LoRA of its own at 2 of the projections",
    );
    const fresh = await tfcHere("compile", model, "--adapter", "lora", "--sites", "o_proj", "-o", to);
    expect([fresh.status, fresh.stderr]).toEqual([0, ""]);
  });
});

/** Compiles a file and runs base and compiled graph in onnxruntime; throws with what was said where that fails. */
async function compiledRuns(name: string, ...flags: readonly string[]): Promise<string> {
  const to = path.join(folder, `compiled-${name}`);
  const compiled = await tfcHere("compile", file(name), "-o", to, ...flags);
  if (compiled.status !== 0) throw new Error(compiled.stderr);
  const { status, stdout, stderr } = await tfcHere("verify", file(name), to);
  if (status !== 0) throw new Error(stdout + stderr);
  return compiled.stdout;
}

describe("a graph that compiles and computes what it did", () => {
  it.each([
    ["whose scale is brought to the queries' type by CastLike", "castlike-scale.onnx"],
    ["whose MLP has biases that are graph inputs", "mlp-bias-is-input.onnx"],
    ["whose activation lies inside a function", "function-silu.onnx"],
    ["of a half-precision model whose mask makes attention float", "torchscript-fp16-float-mask.onnx"],
    ["with LayerNorms, parallel blocks and neighbours that turn together", "cohere-optimum.onnx"],
    ["whose queries' projection holds a gate", "gated-heads-op.onnx"],
    ["whose cache is joined with an empty value first", "cache-empty-joined.onnx"],
    ["with a norm inside its MLPs (BitNet)", "bitnet.onnx"],
    ["with heads packed one by one (GPT-NeoX)", "gptneox.onnx"],
    ["whose weights are inputs by rule, below IR version 4", "ir3-inputs.onnx"],
  ])("%s", async (_, name) => {
    const { view } = openDecoder(file(name));
    expect(view.misses).toEqual([]);
    expect(view.layers.map(({ attention, mlp }) => [attention?.kind, mlp?.kind])).toEqual(
      view.layers.map(() => ["attention", "mlp"]),
    );
    await compiledRuns(name);
  });

  it("whose attention takes an axis of one away", async () => {
    await compiledRuns("rank4-in-rank3-out.onnx", "--sites", "attn");
  });

  it("whose attention stays inline, since onnxruntime could not infer its types in a function", async () => {
    const { view } = openDecoder(file("mha-static-past.onnx"));
    expect(view.misses.map(({ code }) => code)).toEqual(["ATTENTION_CACHE_FIXED"]);
    // Neither by default nor where only MLPs are asked for does it take the MLP's adapter away.
    for (const flags of [[], ["--sites", "mlp"]])
      expect(await compiledRuns("mha-static-past.onnx", ...flags)).toContain("adapters    1 scalarlm");
    const { stderr } = await tfcHere(
      "compile",
      file("mha-static-past.onnx"),
      "-o",
      path.join(folder, "inline.onnx"),
    );
    expect(stderr).toContain("warning ATTENTION_UNMATCHED: matched 0 of 1 attention blocks");
    expect(stderr).toContain("wanted a past or a step of open size (export with dynamic axes)");
    const [attention] = explain(file("mha-static-past.onnx")).blocks;
    expect(attention?.facts["wanted"]).toContain(
      "infers the presents of com.microsoft::MultiHeadAttention without an element type",
    );
    expect(attention?.facts["found"]).toMatch(/^a past float\[1,2,6,8\] and an input /);
  });

  it("whose attention has sinks", async () => {
    const [layer] = openDecoder(file("gpt-oss.onnx")).view.layers;
    if (layer?.attention?.kind !== "attention") throw new Error("no attention");
    expect(layer.attention).toMatchObject({
      heads: { heads: 4, kvHeads: 2, headDim: 8 },
      mask: { kind: "add" },
    });
    expect(layer.attention.sinks).not.toBeNull();
    const { stdout } = await tfcHere("inspect", file("gpt-oss.onnx"));
    expect(stdout).toContain(", sinks, mask: add");
    await compiledRuns("gpt-oss.onnx", "--sites", "attn,q_proj,o_proj");
  });
});

describe("a broken graph", () => {
  it("whose call leaves out an operand is looked at all the same", async () => {
    const { status, stderr } = await tfcHere("inspect", file("inline-absent-input.onnx"));
    expect([status, stderr]).toEqual([0, ""]);
  });

  it("with a function in place of a standard op is refused by name", async () => {
    const to = path.join(folder, "never.onnx");
    const { status, stderr } = await tfcHere("compile", file("inject-broken.onnx"), "-o", to);
    expect(status).toBe(1);
    expect(stderr).toContain(
      "error STANDARD_OP_REDEFINED: the model has a function of its own in place of the standard op MatMul",
    );
    expect(stderr).toContain('at functions[0] "MatMul"');
  });

  it.each(["sigmoid-add40.onnx", "if-rankbomb40.onnx"])(
    "of doubling chains, %s, takes no time to look at",
    (name) => {
      const begin = process.cpuUsage();
      openDecoder(file(name));
      // Doubling forty times takes days; this leaves a slow machine a thousand times what is needed.
      expect(process.cpuUsage(begin).user).toBeLessThan(20e6);
    },
  );
});

/** The attention of the first layer. */
function attentionIn(name: string): Attention {
  const [layer] = openDecoder(file(name)).view.layers;
  if (layer?.attention?.kind !== "attention") throw new Error(`${name} has no attention`);
  return layer.attention;
}

describe("what is said of a graph", () => {
  it("whose projection of queries holds a gate: the heads' own width, and the scale by it", () => {
    const { heads, scale } = attentionIn("gated-heads-op.onnx");
    expect(heads).toEqual({ heads: 2, kvHeads: 2, headDim: 8 });
    expect(scale?.value).toBeCloseTo(0.353553, 6);
  });

  it("whose past is joined with an empty value first: its cache", () => {
    const { cache } = attentionIn("cache-empty-joined.onnx");
    const names =
      cache && [cache.pastKey, cache.pastValue, cache.presentKey, cache.presentValue].map((v) => v?.name);
    expect(names).toEqual(["past_key", "past_value", "present_key", "present_value"]);
  });

  it("of Cohere's: neighbours turn together", () => {
    expect(attentionIn("cohere-optimum.onnx").rotary).toMatchObject({
      kind: "rotate_half",
      interleaved: true,
    });
  });

  it("with cross-attention to a cache: one layer, and no decoder of its own", async () => {
    const { model, view } = openDecoder(file("cross-attention-cached.onnx"));
    expect(view.seen.map(({ layer, block }) => [layer, block])).toEqual([
      [0, "attention"],
      [0, "attention"],
      [0, "mlp"],
    ]);
    expect(refusalOf(model, view)).toContain("encoder-decoder");
    const to = path.join(folder, "cross.onnx");
    expect((await tfcHere("compile", file("cross-attention-cached.onnx"), "-o", to)).stderr).toContain(
      "NO_DECODER",
    );
  });

  it("with norms on the residual stream: an encoder, whatever ops spell them", () => {
    const { model, view } = openDecoder(file("postnorm-plain-layernorm.onnx"));
    expect(refusalOf(model, view)).toContain("encoder (BERT, ALBERT)");
  });

  it("whose attention reads more than the block gives: the widths", () => {
    const { model, view } = openDecoder(file("eagle-wide-input.onnx"));
    expect(view.misses).toMatchObject([
      { code: "ATTENTION_WIDTH", got: "an output of 16: the input is wider" },
    ]);
    expect(refusalOf(model, view)).toBeNull();
  });

  it("of a hybrid: attention and MLPs are adapted, and the rest is named", async () => {
    const { view } = openDecoder(file("lfm2.onnx"));
    expect(view.misses).toEqual([]);
    expect(view.mixers).toMatchObject([{ layer: 0, at: { opType: "Conv" } }]);
    expect(view.layers.map(({ index, attention, mlp }) => [index, attention?.kind, mlp?.kind])).toEqual([
      [0, undefined, "mlp"],
      [1, "attention", "mlp"],
    ]);
    const { stdout } = await tfcHere("inspect", file("lfm2.onnx"));
    expect(stdout).toContain("1 that mixes tokens by Conv, in layer 0: left as it is");
    expect(stdout).toContain("self_attn  none: Conv mixes tokens");
    expect(await compiledRuns("lfm2.onnx")).toContain("adapters    3 scalarlm");
  });

  it("of GPT-NeoX's: heads that are packed one by one", () => {
    expect(attentionIn("gptneox.onnx").heads).toEqual({ heads: 4, kvHeads: 4, headDim: 8 });
  });

  it("whose weights are inputs by rule: none is left once the IR version is raised", async () => {
    const to = path.join(folder, "raised.onnx");
    await tfcHere("compile", file("ir3-inputs.onnx"), "-o", to);
    const inputs = (name: string): readonly (string | undefined)[] =>
      openDecoder(name).model.graph.inputs.map((value) => value.name);
    const before = openDecoder(file("ir3-inputs.onnx")).model.graph;
    const given = before.inputs.filter((value) => value.constant === undefined);
    expect(given.length).toBeLessThan(before.inputs.length);
    expect(inputs(to)).toEqual(given.map(({ name }) => name));
  });

  it("without any MLP that was seen: why", async () => {
    const { stdout } = await tfcHere("inspect", file("rank4-in-rank3-out.onnx"));
    expect(stdout).toContain("0 of 0 understood: no projection reads what an activation makes of another");
  });
});
