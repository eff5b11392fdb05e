import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { openModel } from "../../compiler/onnx/open.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfc-lowered-sites-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const around = ["pre_mlp_norm", "mlp_output"];

// Norms in front of and behind blocks, as ops or parts of sums; parallel blocks have none of their own.
it.each([
  ["families/llama2-dynamo", ["attn", "mlp", ...around]],
  ["families/gemma2-dynamo", ["attn", "mlp", ...around, "post_mlp_norm"]],
  ["families/gemma3-torchscript", ["attn", "mlp", ...around, "post_mlp_norm"]],
  ["families/qwen3-dynamo", ["q_proj", "k_proj", "mlp", ...around]],
  ["new-families/glm4-dynamo", ["attn", "mlp", ...around, "post_mlp_norm"]],
  ["new-families/olmo2-dynamo", ["attn", "mlp", "mlp_output"]],
  ["new-families/phi-dynamo", ["attn", "mlp"]],
])("adapters of %s stand at the same places when it is lowered", async (name, sites) => {
  const [plain, lowered] = [await leavesOf(name, sites, {}), await leavesOf(name, sites, { for: "cpu" })];
  expect(plain.length).toBeGreaterThan(0);
  expect(lowered).toEqual(plain);
  expect(await leavesOf(name, sites, { for: "cpu", kv: "shared", maxLength: 16 })).toEqual(plain);
});

/** Names and shapes of the adapters' weights, in the order of the graph. */
async function leavesOf(
  name: string,
  sites: readonly string[],
  options: Pick<CompileOptions, "for" | "kv" | "maxLength">,
): Promise<readonly string[]> {
  const output = join(folder, "model.onnx");
  await compile({ input: `samples/models/${name}/model.onnx`, output, weights: "inline", sites, ...options });
  const { graph } = openModel(output, new Sink()).model;
  const leaves = [...graph.initializers].filter((value) => value.name?.includes("tokenformer") === true);
  return leaves
    .map(
      (value) =>
        `${value.name ?? ""} ${asTensor(value.type)?.dtype ?? ""} ${value.constant?.shape.join() ?? ""}`,
    )
    .sort();
}
