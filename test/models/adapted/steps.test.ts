import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { CompileOptions } from "../../../compiler/compile/compile.ts";
import { adapterFeeds } from "../../../runtime/adapters/feeds.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { tensorFrom, type Tensors } from "../../../runtime/session/tensor.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, logitsApart, runWith } from "./family-weights.ts";

const folder = temporaryFolder();

/** By family, how many adapters there are in its two layers: made by samples/export/step_checkpoint.py. */
const graphs = [
  ["llama2", "dynamo", 6],
  ["llama2", "torchscript", 6],
  ["llama2", "mobius", 6],
  ["glm4", "dynamo", 8],
  ["glm4", "mobius", 8],
  // Its MLP stands beside attention, and reads the same norm.
  ["phi", "dynamo", 2],
  ["phi", "torchscript", 2],
] as const;

const residences: readonly NonNullable<CompileOptions["residence"]>[] = ["baked", "inputs", "bank"];

describe.each(graphs)("adapters around the MLPs of %s by %s", (family, exporter, count) => {
  it.each(residences)("give PyTorch's logits: %s", async (residence) => {
    const trained = path.join(import.meta.dirname, "steps", family);
    const output = path.join(folder, residence, `${family}-${exporter}.onnx`);
    const options = { residence };
    if (residence === "baked") {
      const run = await runWith(exportOf(family, exporter), output, trained, options);
      expect(run.report.kinds).toEqual({ scalarlm: count });
      expect(run.apart).toBeLessThan(1e-4);
      return;
    }
    const { compile } = await import("../../../compiler/compile/compile.ts");
    await compile({ input: exportOf(family, exporter), output, load: [trained], ...options });
    expect(await logitsApart(output, trained, await moreFeeds(output, trained, residence))).toBeLessThan(
      1e-4,
    );
  });
});

async function moreFeeds(graph: string, trained: string, residence: string): Promise<Tensors> {
  if (residence === "bank") return new Map([["adapter_ids", tensorFrom("int64", [2], () => 0)]]);
  const session = await openSession(graph);
  const feeds = adapterFeeds(session, trained);
  await session.close();
  return feeds;
}
