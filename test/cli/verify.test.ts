import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { checkBfloat16 } from "../../compiler/compile/verify/bfloat16.ts";
import { adviceOf, relationOf } from "../../compiler/compile/verify/relation.ts";
import { compile } from "../../compiler/compile/compile.ts";
import { merge } from "../../compiler/compile/merge.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import { info, initializerOf, tinyDecoder, writeModel, type ModelMessage } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const models = path.resolve(import.meta.dirname, "../../samples/models");
const sample = path.join(models, "austen-llama/dynamo/model.onnx");
const tiny = writeModel(folder, "tiny.onnx", tinyDecoder());

/** A model as exporters wrote them before IR version 4: each weight is an input, too, with its value for default. */
function oldStyle(): ModelMessage {
  const model = { ...tinyDecoder(9), irVersion: 3 };
  const weights = model.graph?.initializer ?? [];
  const ports = weights.map(({ name, dataType, dims }) =>
    info(name ?? "", dataType ?? 1, (dims ?? []).map(Number)),
  );
  return { ...model, graph: { ...model.graph, input: [...(model.graph?.input ?? []), ...ports] } };
}

const compiled = async (
  input: string,
  name: string,
  options: Partial<Parameters<typeof compile>[0]> = {},
): Promise<string> => {
  const output = path.join(folder, name, "model.onnx");
  await compile({ input, output, ...options });
  return output;
};

describe("what is said of a difference fits what was compared", () => {
  it("tells what two models are to each other", async () => {
    const fresh = await compiled(sample, "fresh");
    const load = [path.join(models, "peft/plain")];
    const trained = await compiled(sample, "trained", { load });
    const replaced = await compiled(sample, "replaced", { replace: [{ sites: "q_proj" }] });
    const bare = await compiled(sample, "bare", { adapters: false });
    const bank = await compiled(sample, "bank", { load, residence: "bank" });
    const inputs = await compiled(sample, "inputs", { residence: "inputs" });
    const dora = [
      await compiled(sample, "dora", { adapter: "dora" }),
      await compiled(sample, "dora-bank", { adapter: "dora", residence: "bank", members: 2 }),
      await compiled(sample, "dora-trained", { load: [path.join(models, "peft/dora")] }),
    ];
    expect(relationOf(sample, fresh)).toBe("fresh");
    expect(dora.map((one) => relationOf(sample, one))).toEqual(["fresh", "fresh", "trained"]);
    expect(relationOf(sample, bare)).toBe("fresh");
    expect(relationOf(sample, inputs)).toBe("fresh");
    expect(relationOf(sample, trained)).toBe("trained");
    expect(relationOf(sample, bank)).toBe("trained");
    expect(relationOf(sample, replaced)).toBe("replaced");
    expect(relationOf(fresh, sample)).toBe("swapped");
    expect(relationOf(tiny, fresh)).toBe("other base");
    expect(relationOf(sample, path.join(models, "austen-llama/torchscript/model.onnx"))).toBe("unrelated");
    expect(relationOf(fresh, trained)).toBe("trained");
    const merged = path.join(folder, "merged", "model.onnx");
    await merge({ input: sample, output: merged, load: load[0] ?? "" });
    expect(relationOf(sample, merged)).toBe("merged");
    expect(relationOf(merged, sample)).toBe("merged swapped");
    expect(relationOf(merged, merged)).toBe("unrelated");
  });

  it("asks for a report only where nothing else explains it", () => {
    const relations = [
      "swapped",
      "merged",
      "merged swapped",
      "unrelated",
      "other base",
      "replaced",
      "trained",
      "fresh",
    ] as const;
    const asking = relations.filter((one) => adviceOf(one, false).includes("report it"));
    expect(asking).toEqual(["fresh"]);
    expect(adviceOf("fresh", true)).not.toContain("report it");
  });

  it("in the error", async () => {
    const load = [path.join(models, "peft/plain")];
    const trained = await compiled(sample, "said", { load });
    const cases = ["--cases", "1x3", "--optimizations", "off"];
    const forward = await tfcHere("verify", sample, trained, ...cases);
    expect(forward).toMatchObject({ status: 1 });
    expect(forward.stderr).toContain("error OUTPUTS_DIFFER");
    expect(forward.stderr).toContain("fix: expected of adapters that add something");
    const swapped = await tfcHere("verify", trained, sample, ...cases);
    expect(swapped.stderr).toContain("fix: the first model is a compiled one");
    const merged = path.join(folder, "said-merged", "model.onnx");
    await merge({ input: sample, output: merged, load: load[0] ?? "" });
    const product = await tfcHere("verify", sample, merged, ...cases);
    expect(product).toMatchObject({ status: 1 });
    expect(product.stderr).toContain("fix: expected: the second model is a product of `tfc merge`");
    expect(product.stderr).toContain("give the adapter with --load");
    const around = await tfcHere("verify", merged, sample, ...cases);
    expect(around.stderr).toContain("give the base first, and the adapter with --load");
    const exports = path.join(models, "austen-llama/torchscript/model.onnx");
    expect((await tfcHere("verify", sample, exports, "--optimizations", "off")).stderr).toContain(
      "give --tolerance",
    );
  });
});

describe("the base without adapters as a control", () => {
  it("is made where outputs differ, linked, and leaves nothing behind", async () => {
    const trained = await compiled(sample, "linked", { load: [path.join(models, "peft/plain")] });
    const before = filesIn(folder);
    await tfcHere("verify", sample, trained, "--cases", "1x3", "--optimizations", "off");
    expect(filesIn(folder)).toEqual(before);
    expect(readdirSync(path.dirname(sample)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("explains what onnxruntime does with weights that are no constants", async () => {
    const old = oldStyle();
    expect(initializerOf(old, "q_proj").dims).toEqual([8, 8]);
    const base = writeModel(folder, "old.onnx", old);
    const { status, stdout } = await tfcHere("verify", base, await compiled(base, "old"));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^off .*(equal|as far off as the base is from itself)$/m);
  });
});

describe("bfloat16", () => {
  const sampleOf = path.join(models, "families/llama2-dynamo-bf16/model.onnx");

  it("is said before anything is run", async () => {
    const output = await compiled(sampleOf, "bfloat16", { settings: { heads: 2, rank: 2 } });
    const { status, stdout, stderr } = await tfcHere("verify", sampleOf, output);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/error VERIFY_BFLOAT16: .*is bfloat16, which JavaScript cannot hold/);
  });

  it("inside the graph is noted, where the CPU runs it", () => {
    const model = tinyDecoder();
    const weight = initializerOf(model, "q_proj");
    weight.dataType = 16;
    weight.rawData = new Uint8Array(128);
    const file = writeModel(folder, "inside.onnx", model);
    expect(checkBfloat16(file, "cpu")).toMatchObject({ code: "VERIFY_BFLOAT16_CPU", severity: "note" });
    expect(checkBfloat16(file, "cuda")).toBeNull();
    expect(checkBfloat16(tiny, "cpu")).toBeNull();
  });
});
