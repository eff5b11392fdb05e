import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { inputError } from "../../diagnostics/error.ts";
import type { Sink } from "../../diagnostics/sink.ts";
import { Rewriter } from "../../ir/rewriter.ts";
import { emitModel } from "../../onnx/emit.ts";
import type { OutputFiles, Progress } from "../../onnx/output.ts";
import { adviceOfLinks, placeWeights } from "../place-weights.ts";
import type { PackagedModel } from "./graph.ts";

/** The words for {@link PackageWeights}. */
export const packageWeightModes = ["link", "copy"] as const;
/** How a package gets the bytes of graph and weights: by a second name for each file, or by copies. */
export type PackageWeights = (typeof packageWeightModes)[number];

/** Where a model is put, and how. */
export interface Staging {
  /** The graph's path in the package; its weights lie below that folder. */
  readonly graph: string;
  readonly files: OutputFiles;
  readonly sink: Sink;
  readonly weights: PackageWeights;
  /** Whether the graph in memory is another one than that of the file. */
  readonly changed: boolean;
  /** Folders whose files are linked in place of equal weights, so that the bytes are on the disk once. */
  readonly shareWith?: readonly string[];
  readonly progress?: Progress;
}

/**
 * Stages a model's graph and weights. Weights keep their place relative to the graph, whose bytes then stay as they are;
 * a graph that was changed, or whose weights lie where it is to go, is written anew and refers to weights beside it.
 *
 * @throws TfcError FILE_NOT_WRITABLE, OUTPUT_IS_INPUT, OUTPUT_TOO_LARGE
 */
export async function stageModel(packaged: PackagedModel, staging: Staging): Promise<void> {
  const { graph, files, changed } = staging;
  files.prepare(graph);
  // Compiled beside its base, a graph may have its weights in the base's file, model.onnx.
  const isTaken = packaged.weights.has(basename(graph));
  if (changed || isTaken) {
    await stageAnew(packaged, staging);
    return;
  }
  const folder = dirname(graph);
  const weights = [...packaged.weights].map(([location, from]) => [from, join(folder, location)] as const);
  const shared = weights.map(([from, to]) => [twinOf(from, staging.shareWith ?? []) ?? from, to] as const);
  const pairs = [[packaged.file, graph] as const, ...shared].filter(
    ([from, to]) => resolve(from) !== resolve(to),
  );
  const advice = adviceOfLinks(packaged.file, graph, staging.weights);
  if (advice !== null) files.adviseOfSpace(advice);
  if (staging.weights === "copy") await files.copy(pairs, staging.progress);
  else await link(pairs, staging);
}

async function link(
  pairs: readonly (readonly [from: string, to: string])[],
  { graph, files, sink, progress }: Staging,
): Promise<void> {
  const [linked, copied]: string[][] = [[], []];
  for (const [from, to] of pairs)
    ((await files.link(from, to, progress)) === "link" ? linked : copied)?.push(from);
  const place = { file: graph };
  if (linked !== undefined && linked.length > 0)
    sink.report("WEIGHTS_HARD_LINKED", place, { files: linked, hasFolder: true });
  if (copied !== undefined && copied.length > 0) sink.report("WEIGHTS_NOT_LINKED", place, { files: copied });
}

async function stageAnew({ file, model }: PackagedModel, staging: Staging): Promise<void> {
  const { graph, files, sink, weights, progress } = staging;
  if (resolve(file) === resolve(graph)) throw inputError("OUTPUT_IS_INPUT", { file }, { file: graph });
  const rw = new Rewriter();
  await placeWeights(model, rw, {
    ...{ base: file, output: graph, mode: weights, files, sink },
    ...(progress === undefined ? {} : { progress }),
  });
  const emitted = emitModel(model);
  if (emitted.size > 2 ** 31 - 1)
    throw inputError("OUTPUT_TOO_LARGE", { file: graph }, { bytes: emitted.size });
  files.prepare(graph, emitted.size);
  await files.stage(graph, (temporary) =>
    files.write(temporary, emitted.pieces, (done) => progress?.(graph, done, emitted.size)),
  );
}

/** A file in some folders that has the same bytes as this one, or is it. */
function twinOf(file: string, folders: readonly string[]): string | null {
  const { size, dev, ino } = statSync(file);
  const equal = folders.flatMap(filesIn).filter((other) => statSync(other).size === size);
  const same = equal.find((other) => statSync(other).ino === ino && statSync(other).dev === dev);
  return same ?? equal.find((other) => haveSameBytes(file, other)) ?? null;
}

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Bytes of two files that are compared at once. */
const PIECE = 1 << 22;

/** Whether two files of one size hold the same. */
function haveSameBytes(a: string, b: string): boolean {
  const [x, y] = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)];
  const [first, second] = [openSync(a, "r"), openSync(b, "r")];
  try {
    for (;;) {
      const [n, m] = [readSync(first, x), readSync(second, y)];
      if (n !== m || !x.subarray(0, n).equals(y.subarray(0, m))) return false;
      if (n === 0) return true;
    }
  } finally {
    closeSync(first);
    closeSync(second);
  }
}
