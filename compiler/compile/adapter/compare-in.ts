import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LevelReport } from "../../../runtime/verify/tally.ts";
import { MAGNITUDE } from "../../adapters/dora.ts";
import { TfcError } from "../../diagnostics/error.ts";
import { isOutside, isPacked } from "../../sites/names.ts";
import type { Hints } from "../../weights/read-adapter.ts";
import type { AdapterFile, AdapterPart } from "../../weights/adapter-file.ts";
import { compile, type CompileOptions } from "../compile.ts";
import { cacheRooms, headSizes } from "../verify/head-sizes.ts";

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
  { force, settings = {} }: { readonly force: boolean; readonly settings?: Hints },
): Promise<readonly LevelReport[]> {
  const { compareAdapters } = await import("../../../runtime/verify/compare-adapters.ts");
  const folder = mkdtempSync(join(tmpdir(), "tfc-check-"));
  try {
    const graph = join(folder, "model.onnx");
    await compileFor(before, settings, {
      input: model,
      output: graph,
      residence: "inputs",
      weights: "link",
      // onnxruntime has attention with a paged cache for CUDA alone, and adapters do not depend on the cache.
      lowerPagedAttention: true,
      force,
    });
    const [symbols, rooms] = [headSizes(model), cacheRooms(model)];
    // Weights of the base that were trained along are the same in both.
    const bare = (file: AdapterFile): AdapterFile => ({
      ...file,
      overrides: new Map(),
      // Here all are beside the projections: what a part computes is the same there.
      parts: file.parts.map((part) => ({ ...part, replaces: false })),
    });
    return await compareAdapters(graph, [bare(before), bare(after)], CHECK_TOLERANCE, {
      ...{ symbols, rooms, force },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @throws TfcError what compiling throws, in terms of the adapter that was given */
async function compileFor(adapter: AdapterFile, settings: Hints, options: CompileOptions): Promise<void> {
  try {
    await compile({ ...options, ...askedFor(adapter, settings) });
  } catch (error) {
    // Nobody asked for sites but the file: what it lacks in the model is told of the adapter when it is loaded.
    if (error instanceof TfcError && error.code === "SITE_EMPTY")
      await compile({ ...options, load: [adapter.file], settings });
    throw error;
  }
}

/** Fresh adapters at the same sites; the adapter itself, where it is one that none begins as. */
function askedFor({ file, parts }: AdapterFile, settings: Hints): Partial<CompileOptions> {
  if (!parts.every(isFreshKind)) return { load: [file], settings };
  return {
    entries: parts.map((part) => ({
      kind: part.kind,
      sites: `${part.site.site}@${part.site.layer}`,
      settings: part.settings,
    })),
  };
}

function isFreshKind({ site, leaves }: AdapterPart): boolean {
  return !isPacked(site.site) && !isOutside(site.site) && !leaves.has(MAGNITUDE);
}
