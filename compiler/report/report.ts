import { writeFileSync } from "node:fs";
import path from "node:path";
import { checkGiven, holds, type Checks } from "../compile/check-given.ts";
import type { BlockCounts } from "../compile/inspection.ts";
import { sameFile } from "../compile/place-weights.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { inputError } from "../diagnostics/error.ts";
import { OutputFiles } from "../onnx/output.ts";
import { comparedWith } from "./base.ts";
import { changesBetween, opRows } from "./changes.ts";
import type { ReportData } from "./data.ts";
import { gather, warningText } from "./gather.ts";
import { pageOf } from "./html.ts";
import { trainingOf } from "./training.ts";

/** What to report of, and where to. */
export interface ReportOptions {
  /** An .onnx file. */
  readonly model: string;
  /** The model that it was compiled from, or another to compare it with: the page then shows what changed. */
  readonly base?: string;
  /** The page. Default: `model.report.html` beside `model.onnx`. */
  readonly output?: string;
  /** The folder of a training run, for its curves. Default: the one that the model lies in or beside. */
  readonly run?: string;
}

/** What {@link report} wrote. */
export interface ReportResult {
  /** The page, absolute. */
  readonly output: string;
  /** Bytes of the page. */
  readonly size: number;
  /** Blocks that were understood. */
  readonly matched: BlockCounts;
  /** Blocks that were seen. */
  readonly seen: BlockCounts;
  /** What the graph looks like, where it is no Llama-family decoder; else null. */
  readonly refusal: string | null;
  /** Warnings and notes. */
  readonly diagnostics: readonly Diagnostic[];
}

const checks: Checks<ReportOptions> = {
  model: holds.model,
  base: holds.model,
  output: holds.path,
  run: holds.path,
};

/**
 * Writes a page that shows a model as a decoder: its layers, modules and adapters, what was not understood and why,
 * parameters, ops, and where they run. One file, which needs no network and opens from disk.
 *
 * @example
 * const { output } = await report({ model: "out/model.onnx", base: "model.onnx" });
 * @throws TfcError FILE_NOT_FOUND, FILE_NOT_ONNX, and others of a model that cannot be read; OUTPUT_IS_INPUT,
 * FILE_NOT_WRITABLE; OPTION_UNKNOWN, OPTION_OUT_OF_RANGE
 */
export async function report(options: ReportOptions): Promise<ReportResult> {
  const { data, ...written } = await writeReport(options);
  const { matched, seen, refusal } = data.summary;
  return { ...written, matched, seen, refusal };
}

/** A page that was written, and what it shows. */
export interface Written extends Pick<ReportResult, "output" | "size" | "diagnostics"> {
  readonly data: ReportData;
}

/** Does what {@link report} does, and gives all that the page shows. */
export async function writeReport(options: ReportOptions): Promise<Written> {
  checkGiven(options, checks, "report", ["model"]);
  const { model, base } = options;
  const output = path.resolve(options.output ?? defaultPage(model));
  for (const input of [model, base])
    if (input !== undefined && sameFile(input, output))
      throw inputError("OUTPUT_IS_INPUT", { file: input }, { file: output });
  const { data, diagnostics } = reportData(options);
  const page = pageOf(data);
  const files = new OutputFiles(output);
  try {
    await files.stage(options.output ?? output, (temporary) => {
      writeFileSync(temporary, page);
    });
    await files.commit();
  } catch (error) {
    files.discard();
    throw error;
  }
  return { output, size: Buffer.byteLength(page), data, diagnostics };
}

/** What the page would show, and writes nothing. */
export function reportData({ model, base, run }: ReportOptions): Pick<Written, "data" | "diagnostics"> {
  const own = gather(model);
  const training = trainingOf(model, run);
  if (base === undefined) return { data: { ...own.data, training }, diagnostics: own.diagnostics };
  const before = gather(base);
  const { relation, diagnostics } = comparedWith(before.decoder, own.decoder);
  const { summary } = own.data;
  const data: ReportData = {
    ...own.data,
    base,
    baseIs: relation,
    summary: { ...summary, warnings: [...summary.warnings, ...diagnostics.map(warningText)] },
    ops: opRows(own.data, before.data),
    changes: changesBetween(before.data, own.data),
    training,
  };
  return { data, diagnostics: [...before.diagnostics, ...own.diagnostics, ...diagnostics] };
}

/** `out/model.onnx` → `out/model.report.html` */
export function defaultPage(model: string): string {
  return path.join(path.dirname(model), `${path.basename(model, ".onnx")}.report.html`);
}
