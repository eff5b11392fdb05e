import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { adapterKinds } from "../adapters/index.ts";
import { compile } from "../compile/compile.ts";
import { inputError } from "../diagnostics/error.ts";
import { OutputFiles } from "../onnx/output.ts";
import { sameFile } from "../compile/place-weights.ts";
import type { LevelReport } from "../../runtime/verify/tally.ts";
import type { AdapterFile } from "../weights/adapter-file.ts";
import { readAdapter, readFiles } from "../weights/read-adapter.ts";
import type { Resized, ResizedAdapter, Size, Sizes } from "../weights/resize.ts";
import { leaderOf, writeAdapter, writtenFiles } from "../weights/write-adapter.ts";
import { formatBy } from "./adapter-convert.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { headSizes } from "../compile/head-sizes.ts";
import { byteText, printResult, rows } from "./output.ts";

export interface ResizeFlags extends Readonly<Record<string, unknown>> {
  readonly output: string;
  readonly check?: string;
  readonly force: boolean;
  readonly json: boolean;
}

/** The names that kinds give their sizes. */
export const sizeNames: readonly string[] = [...new Set([...adapterKinds.values()].map(({ size }) => size))];

/** What `tfc grow` and `tfc shrink` have in common. */
export function commandOfSize(name: string, description: string, check: string): Command {
  const command = new Command(name)
    .description(description)
    .argument("<adapter>", "an adapter in any format")
    .requiredOption("-o, --output <path>", "the new adapter; its ending says the format");
  for (const size of sizeNames) {
    const kinds = [...adapterKinds.values()].filter((kind) => kind.size === size).map((kind) => kind.name);
    command.option(
      `--${size} <n>`,
      `new ${size} of ${kinds.join(" and ")}, or a multiple such as 2x or 0.5x`,
    );
  }
  command
    .option("--check <model>", check)
    .option("--force", "check in a model that the adapter does not belong to, too", false)
    .option("--json", "print one JSON object", false);
  return withHints(command);
}

/** @throws TfcError USAGE where no size is given, OPTION_OUT_OF_RANGE */
export function sizesOf(command: string, flags: ResizeFlags): Sizes {
  const sizes: Record<string, Size> = {};
  for (const name of sizeNames) if (flags[name] !== undefined) sizes[name] = parseSize(flags[name], name);
  if (Object.keys(sizes).length > 0) return sizes;
  throw inputError(
    "USAGE",
    {},
    { what: `tfc ${command} needs a size: ${sizeNames.map((n) => `--${n}`).join(" or ")}` },
  );
}

function parseSize(value: unknown, name: string): Size {
  const text = typeof value === "string" ? value : "";
  const [, number, times] = /^(\d{1,8}(?:\.\d{1,6})?)(x?)$/.exec(text.trim()) ?? [];
  const n = Number(number);
  if (times === "x" && n > 0) return { times: n };
  if (times === "" && Number.isInteger(n) && n > 0) return { to: n };
  const wanted = "a whole number, or a multiple such as 2x";
  throw inputError("OPTION_OUT_OF_RANGE", {}, { option: `--${name}`, wanted, found: text });
}

/** Reads an adapter, changes it, compares the two in a model where one is given, and writes the new one. */
export async function resizeFile(
  path: string,
  flags: ResizeFlags,
  change: (adapter: AdapterFile) => ResizedAdapter,
  judge: (levels: readonly LevelReport[], model: string) => void,
): Promise<void> {
  if (flags.force && flags.check === undefined)
    throw inputError("OPTION_UNUSED", {}, { option: "--force", needs: "--check" });
  const before = readAdapter(path, hintsOf(flags));
  const { adapter, sites } = change(before);
  const format = formatBy(flags.output) ?? before.format;
  const outputs = writtenFiles(flags.output, format);
  const inputs = readFiles(path);
  const taken = outputs.find((output) => inputs.some((input) => sameFile(input, output)));
  if (taken !== undefined) throw inputError("OUTPUT_IS_INPUT", { file: path }, { file: taken });
  const levels = flags.check === undefined ? [] : await compareIn(flags.check, before, adapter, flags.force);
  if (flags.check !== undefined) judge(levels, flags.check);
  const files = new OutputFiles(leaderOf(flags.output, format));
  try {
    for (const output of outputs) files.prepare(output);
    await writeAdapter(adapter, flags.output, format, files);
    await files.commit();
  } catch (error) {
    files.discard();
    throw error;
  }
  const report = { file: path, output: flags.output, format, files: outputs, sites, levels };
  printResult(flags.json, report, () => resizedText(sites, levels, outputs));
}

/** Both adapters in one graph that takes them as inputs: the model is compiled once, and its weights are linked. */
async function compareIn(
  model: string,
  before: AdapterFile,
  after: AdapterFile,
  force: boolean,
): Promise<readonly LevelReport[]> {
  const { compareAdapters } = await import("../../runtime/verify/compare-adapters.ts");
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

/** Sums of more numbers, of which the new ones are zeros, may be rounded in another order. */
export const CHECK_TOLERANCE = 1e-5;

function resizedText(
  sites: readonly Resized[],
  levels: readonly LevelReport[],
  outputs: readonly string[],
): string {
  const groups = new Map<string, { readonly one: Resized; count: number; dropped: number }>();
  for (const one of sites) {
    const key = `${one.kind} ${one.from} ${one.to}`;
    const group = groups.get(key) ?? { one, count: 0, dropped: 0 };
    groups.set(key, { one, count: group.count + 1, dropped: group.dropped + one.dropped });
  }
  const changed = [...groups.values()].map(({ one, count, dropped }) => {
    const size = adapterKinds.get(one.kind)?.size ?? "";
    const lost = dropped === 0 ? "" : `, ${((100 * dropped) / count).toFixed(2)}% of the norms dropped`;
    return [
      one.kind,
      `${count} ${count === 1 ? "site" : "sites"}, ${size} ${one.from} → ${one.to}${lost}`,
    ] as const;
  });
  const compared = levels.map(
    ({ optimizations, maxAbs, same }) =>
      [
        `check ${optimizations}`,
        `${same ? "equal" : "changed"}: largest difference of an output ${maxAbs === null ? "not a number" : maxAbs.toExponential(1)}`,
      ] as const,
  );
  const written = outputs.map((file) => `${file}  ${byteText(statSync(file).size)}`).join("\n");
  return rows([...changed, ...compared, [outputs.length === 1 ? "file" : "files", written]]);
}
