import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { numbersOf } from "../../../compiler/weights/convert.ts";
import { readOnnxAdapter, writeOnnxAdapter } from "../../../compiler/weights/onnx-adapter/read.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { sizeOf, type WeightTensor } from "../../../compiler/weights/weight.ts";
import { loraOf, refusal, refusalOf, save, scalarlmOf, writeWeights } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { refused } from "../../support/refused.ts";
import { tfcHere } from "../../support/tfc.ts";

const folder = temporaryFolder();
const files = path.join(import.meta.dirname, "files");
/** What Olive made of the PEFT folder: rank 4, alpha 8. */
const [olive, peft] = [path.join(files, "olive.onnx_adapter"), path.join(files, "olive-source")];
let count = 0;
const next = (ending: string): string => path.join(folder, `${count++}${ending}`);

function numbers(tensor: WeightTensor | undefined): number[] {
  if (tensor === undefined) throw new Error("no such weight");
  const at = numbersOf(tensor.bytes(), tensor.dtype);
  return Array.from({ length: sizeOf(tensor) }, (_, i) => at(i));
}

describe("Olive's .onnx_adapter", () => {
  it("is LoRA of the rank and the products of its PEFT folder", () => {
    const [found, source] = [readAdapter(olive), readAdapter(peft)];
    expect(found.parts.map(({ site }) => site)).toEqual(source.parts.map(({ site }) => site));
    found.parts.forEach((part, i) => {
      const own = source.parts[i];
      expect(part.settings).toEqual({ rank: 4, alpha: 4, rslora: false });
      expect(own?.settings).toEqual({ rank: 4, alpha: 8, rslora: false });
      expect(part.leaves.get("lora_A.weight")?.shape).toEqual(own?.leaves.get("lora_A.weight")?.shape);
      expect(numbers(part.leaves.get("lora_A.weight"))).toEqual(numbers(own?.leaves.get("lora_A.weight")));
      const doubled = numbers(own?.leaves.get("lora_B.weight")).map((x) => 2 * x);
      expect(numbers(part.leaves.get("lora_B.weight"))).toEqual(doubled);
    });
  });

  it("is what the PEFT folder is exported as, parameter for parameter", async () => {
    const output = next(".onnx_adapter");
    const { status } = await tfcHere("adapter", "export", peft, "-o", output, "--layout", "olive");
    expect(status).toBe(0);
    const [own, theirs] = [readOnnxAdapter(output).parameters, readOnnxAdapter(olive).parameters];
    expect([...own.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [name, tensor] of theirs) {
      expect(own.get(name)?.shape).toEqual(tensor.shape);
      expect(numbers(own.get(name))).toEqual(numbers(tensor));
    }
  });

  it("has no alpha of its own to be told", async () => {
    const message = await refused(folder, "adapter", "ls", olive, "--alpha", "16");
    expect(message).toContain("error ADAPTER_SETTING_INVALID");
  });
});

describe("the layout of onnxruntime-genai", () => {
  it("has its names, and is read back", async () => {
    const output = next(".onnx_adapter");
    await save(readAdapter(peft), output, "onnx_adapter", { layout: "genai" });
    const { parameters } = readOnnxAdapter(output);
    expect(parameters.get("model.layers.1.attn.q_proj.lora_A.MatMul.weight")?.shape).toEqual([32, 4]);
    expect(parameters.get("model.layers.0.mlp.down_proj.lora_B.MatMul.weight")?.shape).toEqual([4, 32]);
    const [again, from] = [readAdapter(output), readAdapter(olive)];
    expect(again.parts.map(({ site, settings }) => ({ site, settings }))).toEqual(
      from.parts.map(({ site, settings }) => ({ site, settings })),
    );
    again.parts.forEach((part, i) => {
      for (const [leaf, tensor] of part.leaves)
        expect(numbers(tensor)).toEqual(numbers(from.parts[i]?.leaves.get(leaf)));
    });
  });

  it.each(["olive", "genai"] as const)("%s: refuses what is not LoRA", async (layout) => {
    const site = "model.layers.0.mlp";
    const file = await writeWeights(next(".safetensors"), scalarlmOf(site));
    const found = await refusalOf(() =>
      save(readAdapter(file), next(".onnx_adapter"), "onnx_adapter", { layout }),
    );
    expect(found).toMatchObject({ code: "ADAPTER_FORMAT_CANNOT", name: site });
  });

  it("is of no other format", async () => {
    const args = ["adapter", "export", peft, "-o", next(".pt"), "--layout", "genai"];
    expect(await refused(folder, ...args)).toContain("error OPTION_UNKNOWN");
  });
});

it("LoRA as PEFT has it without a scale still needs its alpha", () => {
  const weights = loraOf("model.layers.0.self_attn.q_proj");
  const file = next(".onnx_adapter");
  const parameters = new Map(Object.entries(weights));
  writeOnnxAdapter(file, { adapterVersion: 1, modelVersion: 1, parameters });
  expect(refusal(() => readAdapter(file))).toMatchObject({ code: "ADAPTER_ALPHA_UNKNOWN" });
  expect(readAdapter(file, { alpha: 4 }).parts[0]?.settings).toEqual({ rank: 2, alpha: 4, rslora: false });
});
