import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { OutputFiles } from "../../../compiler/onnx/output.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { layoutSafetensors, writeSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { writeAdapter } from "../../../compiler/weights/write-adapter.ts";
import { loraOf, writeWeights as writeState } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
// Its head is a transposed copy of its embeddings.
const model = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama/dynamo/model.onnx");
const embeddings = { dtype: "float", shape: [2048, 128] } as const;
const name = "model.embed_tokens.weight";

async function writeWeights(file: string, weight: string): Promise<void> {
  const shapes = {
    [weight]: embeddings,
    "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": { dtype: "float", shape: [1, 128] },
    "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": { dtype: "float", shape: [128, 1] },
  } as const;
  const entries = Object.entries(shapes).map(([key, { dtype, shape }]) => ({ name: key, dtype, shape }));
  const layout = layoutSafetensors(entries);
  await writeSafetensors(file, layout, (key) => new Uint8Array(layout.tensors.get(key)?.length ?? 0));
}

/** The weights that a compiled graph has in place of the base's. */
async function overridden(load: string, settings: Readonly<Record<string, unknown>> = {}): Promise<string[]> {
  const output = path.join(folder, "out/model.onnx");
  await compile({ input: model, output, load: [load], settings });
  return [...openModel(output, new Sink()).model.graph.initializers]
    .map((value) => value.name ?? "")
    .filter((one) => one.endsWith(".override"))
    .sort();
}

it("follows the embeddings of a state dict, which has a shared parameter once", async () => {
  const file = path.join(folder, "state_dict.safetensors");
  await writeWeights(file, name);
  expect(await overridden(file, { alpha: 1 })).toEqual(["lm_head.weight.override", `${name}.override`]);
});

it("follows embeddings that the graph gathers from the head's own matrix, turned", async () => {
  const genai = path.resolve(
    import.meta.dirname,
    "../../../samples/models/families/gemma2-genai-fp32/model.onnx",
  );
  const table = { dtype: "float", shape: [56, 32] } as const;
  const numbers = Float32Array.from({ length: 56 * 32 }, (_, i) => Math.sin(i));
  const weights = new Map([[name, { ...table, bytes: () => new Uint8Array(numbers.buffer) }]]);
  const leaves = loraOf("model.layers.0.self_attn.q_proj", { inFeatures: 32, outFeatures: 64 });
  const file = path.join(folder, "turned.safetensors");
  await writeState(file, { ...leaves, ...Object.fromEntries(weights) });
  const output = path.join(folder, "turned/model.onnx");
  await compile({ input: genai, output, load: [file], settings: { alpha: 1 } });
  const made = openModel(output, new Sink()).model.graph.initializers;
  const bytesOf = (end: string): Float32Array => {
    const [value] = [...made].filter((one) => one.name === end);
    return new Float32Array(Uint8Array.from(value?.constant?.bytes() ?? []).buffer);
  };
  expect(bytesOf(`${name}.override`)).toEqual(numbers);
  const turned = Float32Array.from(numbers, (_, i) => numbers[(i % 56) * 32 + Math.floor(i / 56)] ?? 0);
  expect(bytesOf("lm_head.weight.override")).toEqual(turned);
});

it("stays what it was under PEFT, which saves a copy of the embeddings, also after an import", async () => {
  const saved = path.join(folder, "peft");
  mkdirSync(saved);
  await writeWeights(path.join(saved, "adapter_model.safetensors"), `base_model.model.${name}`);
  const config = {
    peft_type: "LORA",
    r: 1,
    lora_alpha: 1,
    target_modules: ["q_proj"],
    layers_to_transform: [0],
    modules_to_save: ["embed_tokens"],
  };
  writeFileSync(path.join(saved, "adapter_config.json"), JSON.stringify(config));
  expect(await overridden(saved)).toEqual([`${name}.override`]);
  const files = new OutputFiles();
  const imported = path.join(folder, "imported.safetensors");
  await writeAdapter(readAdapter(saved), imported, "safetensors", files);
  await files.commit();
  expect(await overridden(imported)).toEqual([`${name}.override`]);
  // A state dict would say that the head follows.
  await expect(
    writeAdapter(readAdapter(imported), path.join(folder, "x.pt"), "torch", files),
  ).rejects.toThrow("ADAPTER_FORMAT_CANNOT");
});
