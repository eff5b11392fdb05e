import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { writeReference } from "../../../compiler/compile/verify/apart/reference.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { exportOf, logitsApart, trainedFor } from "../../models/adapted/family-weights.ts";
import { apart, logitsOf, prompts, recorded, samples, TOLERANCE } from "../../models/adapted/logits.ts";
import { graphOf, styles } from "../../runtime/oracle.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();

/** Below samples/models, with PyTorch's logits: adapters of each kind, and weights of the base. */
const adapters = [
  ["peft/patterns", "peft/patterns/logits.safetensors"],
  ["peft/saved-modules", "peft/saved-modules/logits.safetensors"],
  ["scalarlm", "scalarlm/logits.safetensors"],
  ["austen-llama/adapters.safetensors", "austen-llama/adapted.safetensors"],
] as const;

describe.each(styles)("base and adapter computed apart, of the %s export", (style) => {
  it.each(adapters.flatMap((one) => [true, false].map((merges) => [...one, merges] as const)))(
    "are what PyTorch computes: %s, by %s, LoRA merged: %s",
    async (load, logits, merges) => {
      const output = path.join(folder, style, `${path.basename(load)}-${String(merges)}.onnx`);
      await writeReference(graphOf(style), readAdapter(path.join(samples, load)), output, {
        merges,
        force: false,
      });
      const session = await openSession(output, { optimizations: "off" });
      for (const prompt of prompts)
        expect(apart(await logitsOf(session, prompt), recorded(logits, prompt), prompt)).toBeLessThan(
          TOLERANCE,
        );
      await session.close();
    },
  );
});

describe("base and adapter computed apart", () => {
  it.each([
    ["llama2", "mobius", path.join(import.meta.dirname, "../../models/adapted/steps/llama2")],
    ["glm4", "dynamo", path.join(import.meta.dirname, "../../models/adapted/steps/glm4")],
    ["phi3", "torchscript", path.join(samples, "scalarlm-families/phi3")],
    ["mixtral", "mobius", path.join(samples, "scalarlm-families/mixtral")],
    ["deepseek-v2", "mobius", trainedFor("deepseek-v2", "latent")],
  ])("are what PyTorch computes of %s by %s", async (family, exporter, trained) => {
    const output = path.join(folder, `${family}-${exporter}.onnx`);
    await writeReference(exportOf(family, exporter), readAdapter(trained), output, {
      merges: true,
      force: false,
    });
    expect(await logitsApart(output, trained)).toBeLessThan(1e-4);
  });
});
