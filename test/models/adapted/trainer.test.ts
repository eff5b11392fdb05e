import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../../support/folder.ts";
import { runWith } from "./family-weights.ts";
import { samples } from "./logits.ts";

const folder = temporaryFolder();
const trained = path.join(samples, "scalarlm-families");
const exporters = ["dynamo", "torchscript", "mobius", "transformers"];

/** Each export of a family for which there is a checkpoint. */
const pairs = ["families", "new-families"].flatMap((where) =>
  readdirSync(path.join(samples, where)).flatMap((name) => {
    const exporter = exporters.find((one) => name.endsWith(`-${one}`)) ?? "";
    const family = name.slice(0, -exporter.length - 1);
    const isTrained = exporter !== "" && readdirSync(trained).includes(family);
    return isTrained ? [[family, exporter, path.join(samples, where, name, "model.onnx")] as const] : [];
  }),
);

describe("a checkpoint with all that ScalarLM's trainer trains", () => {
  it("is there for many families", () => {
    expect(pairs.length).toBeGreaterThan(20);
  });

  it.each(pairs)("gives %s by %s PyTorch's logits", async (family, exporter, input) => {
    const output = path.join(folder, `${family}-${exporter}.onnx`);
    const run = await runWith(input, output, path.join(trained, family));
    expect(run.apart).toBeLessThan(1e-4);
  });
});
