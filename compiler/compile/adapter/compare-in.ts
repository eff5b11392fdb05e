import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LevelReport } from "../../../runtime/verify/tally.ts";
import type { AdapterFile } from "../../weights/adapter-file.ts";
import { compile } from "../compile.ts";
import { headSizes } from "../verify/head-sizes.ts";

/** Sums of more numbers, of which the new ones are zeros, may be rounded in another order. */
export const CHECK_TOLERANCE = 1e-5;

/**
 * Runs two adapters in one graph that takes them as inputs, and compares every output. The model is compiled once, into
 * a folder for temporary files, and its weights are linked.
 *
 * @throws TfcError RUNTIME_MISSING; what compiling and running throw
 */
export async function compareIn(
  model: string,
  before: AdapterFile,
  after: AdapterFile,
  force: boolean,
): Promise<readonly LevelReport[]> {
  const { compareAdapters } = await import("../../../runtime/verify/compare-adapters.ts");
  const folder = mkdtempSync(join(tmpdir(), "tfc-check-"));
  try {
    const graph = join(folder, "model.onnx");
    await compile({
      input: model,
      output: graph,
      residence: "inputs",
      weights: "link",
      // onnxruntime has attention with a paged cache for CUDA alone, and adapters do not depend on the cache.
      lowerPagedAttention: true,
      entries: before.parts.map((part) => ({
        kind: part.kind,
        sites: `${part.site.site}@${part.site.layer}`,
        settings: part.settings,
      })),
    });
    const symbols = headSizes(model);
    // Weights of the base that were trained along are the same in both.
    const bare = (file: AdapterFile): AdapterFile => ({ ...file, overrides: new Map() });
    return await compareAdapters(graph, [bare(before), bare(after)], CHECK_TOLERANCE, { symbols, force });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
