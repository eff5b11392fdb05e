import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openDecoder } from "../../compiler/cli/open-decoder.ts";
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
    expect(inspected.stdout).toMatch(/lora +in the graph already, at 2 projections \(o_proj\), of rank 4/);
    const explained = await tfcHere("explain", file("lora-o-proj.onnx"));
    expect(explained.stdout).toContain("plus LoRA of rank 4 times 2");
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
