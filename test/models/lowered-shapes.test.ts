import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { newFamilies, samples } from "./samples.ts";

// That the results are what they were is shown by lowered.test.ts, which compiles the same samples for a provider.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfc-shapes-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** How many tokens an expert is given is known only when it is. */
const MIXTURES = /moe|mixtral|deepseek|gpt-oss|olmoe/;

describe("arithmetic on shapes", () => {
  const written = [...samples, ...newFamilies].filter(({ name, file }) => {
    if (/genai|mobius|quantized-dynamic/.test(name) || MIXTURES.test(name)) return false;
    return openModel(file, new Sink()).model.graph.inputs.some((input) => input.name === "attention_mask");
  });

  it("is looked for in many exports", () => {
    expect(written.length).toBeGreaterThan(25);
  });

  it.each(written)("is left in no layer of $name, and copies nothing", async ({ name, file }) => {
    const output = join(folder, `${name}.onnx`);
    await compile({ input: file, output, for: "cuda", weights: "inline", adapter: "scalarlm" });
    const { placement } = inspect(output, { for: "cuda" });
    if (placement == null) throw new Error("no placement");
    // LFM 2 adds sizes for all of its convolutions in the first layer.
    const inLayers = placement.nodes.filter(({ layer, reason }) => layer !== null && reason !== undefined);
    if (!name.includes("lfm2")) expect(inLayers).toEqual([]);
    expect(placement.copies).toEqual({ in: [], out: [] });
    rmSync(output);
  });
});
