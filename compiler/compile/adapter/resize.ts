import { injectAdapters } from "../../../passes/index.ts";
import type { LevelReport } from "../../../runtime/verify/tally.ts";
import { adapterKinds } from "../../adapters/index.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { inputError } from "../../diagnostics/error.ts";
import type { Sink } from "../../diagnostics/sink.ts";
import { valueText } from "../../pass/options.ts";
import type { AdapterFile, AdapterFormat } from "../../weights/adapter-file.ts";
import { readAdapter, type Hints } from "../../weights/read-adapter.ts";
import {
  growAdapter,
  shrinkAdapter,
  type Resized,
  type ResizedAdapter,
  type Size,
  type Sizes,
} from "../../weights/resize.ts";
import { checkGiven, holds, type Checks } from "../check-given.ts";
import { reportOutputPath } from "../output-path.ts";
import { reporting } from "../reporting.ts";
import { CHECK_TOLERANCE, compareIn } from "./compare-in.ts";
import { formatBy, outputFiles, writeOutput } from "./output.ts";

/** What to make smaller or larger, and how. */
export interface ResizeOptions {
  /** An adapter in any format: a file or folder. */
  readonly input: string;
  /** The new adapter; its ending says the format, and without one it is the input's. */
  readonly output: string;
  /** New sizes by their names (`rank`, `tokens`): a number, or a multiple such as `"2x"`. */
  readonly sizes: Readonly<Record<string, number | string>>;
  /** What the input does not say of itself, such as `{ alpha: 16 }`. */
  readonly settings?: Hints;
  /** A base in which both adapters are run and compared. This needs onnxruntime-node. */
  readonly check?: string;
  /** Runs them there although the adapter belongs to another base. */
  readonly force?: boolean;
}

/** How to grow an adapter. */
export interface GrowOptions extends ResizeOptions {
  /** Seed of the new random numbers. Default 0. */
  readonly seed?: number;
}

/** What {@link grow} or {@link shrink} did. */
export interface ResizeReport {
  readonly input: string;
  readonly output: string;
  /** The format that was written. */
  readonly format: AdapterFormat;
  /** Files written. */
  readonly files: readonly string[];
  /** What became of the adapter at each site. */
  readonly sites: readonly Resized[];
  /** How the adapters compare in `check`, without and with onnxruntime's optimizations; empty without it. */
  readonly levels: readonly LevelReport[];
  readonly diagnostics: readonly Diagnostic[];
}

const checks: Checks<ResizeOptions> = {
  input: holds.path,
  output: holds.path,
  sizes: ["sizes by name", holds.settings[1]],
  settings: holds.settings,
  check: holds.model,
  force: holds.yesNo,
};

/** The names that adapter kinds give their sizes. */
export const sizeNames: readonly string[] = [...new Set([...adapterKinds.values()].map(({ size }) => size))];

/**
 * Gives an adapter more tokens or a higher rank without changing what it computes: of each new slice one parameter is
 * zeros and the other random.
 *
 * @throws TfcError RESIZE_DIRECTION for a smaller size; RESIZE_NOTHING where no kind of the adapter has the size;
 *   GROWTH_INEXACT; ADAPTER_TOO_LARGE; OUTPUTS_DIFFER, with nothing written, where `check` finds a difference;
 *   OUTPUT_IS_INPUT; what reading and writing adapters throw
 *
 * @example
 * ```ts
 * await grow({ input: "adapter.safetensors", output: "larger.safetensors", sizes: { rank: "2x" } });
 * ```
 */
export function grow(options: GrowOptions): Promise<ResizeReport> {
  return reporting((sink) => {
    checkGiven(options, { ...checks, seed: holds.integer }, "grow", ["input", "output", "sizes"]);
    const { seed: seedOption } = injectAdapters.options;
    const seed = options.seed === undefined ? seedOption.default : seedOption.check(options.seed, "seed");
    const sizes = sizesOf("grow", options);
    return resize(options, sink, (adapter) => growAdapter(adapter, sizes, seed), prove);
  });
}

/**
 * Drops the tokens or ranks of an adapter whose keys and values have the smallest norms. It computes something else
 * than before; `check` measures how far its outputs lie from the old ones.
 *
 * @throws TfcError RESIZE_DIRECTION for a larger size; RESIZE_NOTHING where no kind of the adapter has the size;
 *   ADAPTER_NOT_FINITE; OUTPUT_IS_INPUT; what reading and writing adapters throw
 */
export function shrink(options: ResizeOptions): Promise<ResizeReport> {
  return reporting((sink) => {
    checkGiven(options, checks, "shrink", ["input", "output", "sizes"]);
    const sizes = sizesOf("shrink", options);
    // A smaller adapter is another function: what the check finds is reported, and no reason to refuse.
    return resize(
      options,
      sink,
      (adapter) => shrinkAdapter(adapter, sizes),
      () => undefined,
    );
  });
}

/** @throws TfcError USAGE where no size is given, OPTION_OUT_OF_RANGE, OPTION_UNKNOWN */
function sizesOf(how: string, { sizes: given }: ResizeOptions): Sizes {
  const sizes: Record<string, Size> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!sizeNames.includes(name))
      throw inputError("OPTION_UNKNOWN", {}, { option: name, owner: "`sizes`", allowed: sizeNames });
    sizes[name] = parseSize(value, name);
  }
  if (Object.keys(sizes).length > 0) return sizes;
  const names = sizeNames.map((name) => `\`${name}\``).join(" or ");
  throw inputError("USAGE", {}, { what: `to ${how} an adapter needs a size: ${names}` });
}

function parseSize(value: unknown, name: string): Size {
  const text = typeof value === "number" ? String(value) : typeof value === "string" ? value.trim() : "";
  const [, number, times] = /^(\d{1,8}(?:\.\d{1,6})?)(x?)$/.exec(text) ?? [];
  const n = Number(number);
  if (times === "x" && n > 0) return { times: n };
  if (times === "" && Number.isInteger(n) && n > 0) return { to: n };
  const wanted = "a whole number, or a multiple such as 2x";
  throw inputError("OPTION_OUT_OF_RANGE", {}, { option: name, wanted, found: valueText(value) });
}

/** Reads an adapter, changes it, compares the two in a model where one is given, and writes the new one. */
async function resize(
  { input, output, settings, check, force = false }: ResizeOptions,
  sink: Sink,
  change: (adapter: AdapterFile) => ResizedAdapter,
  judge: (levels: readonly LevelReport[], model: string) => void,
): Promise<ResizeReport> {
  reportOutputPath(output, sink);
  if (force && check === undefined)
    throw inputError("OPTION_UNUSED", {}, { option: "force", needs: "`check`" });
  const before = readAdapter(input, settings);
  const { adapter, sites } = change(before);
  if (sites.every(({ from, to }) => from === to)) sink.report("RESIZE_UNCHANGED", { file: input }, {});
  const to = { path: output, format: formatBy(output) ?? before.format };
  const files = outputFiles(input, to);
  const levels =
    check === undefined
      ? []
      : await compareIn(check, before, adapter, { force, ...(settings && { settings }) });
  if (check !== undefined) judge(levels, check);
  await writeOutput(adapter, files, to);
  return { input, output, format: to.format, files, sites, levels, diagnostics: sink.diagnostics };
}

/** @throws TfcError OUTPUTS_DIFFER */
function prove(levels: readonly LevelReport[], model: string): void {
  const level = levels.find(({ same }) => !same);
  if (level === undefined) return;
  const wanted = `what the adapter computed before, within ${CHECK_TOLERANCE}`;
  const fix = "nothing was written; growing should not change a number: please report it, with both files";
  const { output = "", detail = "" } = level.worst ?? {};
  throw inputError("OUTPUTS_DIFFER", { file: model }, { output, wanted, found: detail, fix });
}
