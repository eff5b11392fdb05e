import { join } from "node:path";
import type { RunSettings } from "../../../runtime/train/checkpoint/progress.ts";
import type { TrainGraphs } from "../../../runtime/train/options.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Sink } from "../../diagnostics/sink.ts";
import { compileSharing, type CompileReport } from "../compile.ts";
import type { CompileOptions } from "../options.ts";
import { SharedWeights } from "../shared-weights.ts";

/** How a base is compiled for training. */
export type TrainedBase = Pick<
  CompileOptions,
  | "adapter"
  | "sites"
  | "settings"
  | "entries"
  | "adapters"
  | "load"
  | "replace"
  | "force"
  | "dtype"
  | "quantize"
  | "block"
  | "symmetric"
  | "weights"
  | "progress"
> & { readonly train: Omit<NonNullable<CompileOptions["train"]>, "emit"> };

/** The graphs of a run, in its folder. */
export function graphsIn(folder: string): { readonly train: string; readonly loss: string } {
  return { train: join(folder, "model.onnx"), loss: join(folder, "loss.onnx") };
}

/**
 * Compiles a base for training: a graph that updates parameters, and one that gives the loss alone.
 *
 * @param folder where they go
 * @throws TfcError as {@link compileSharing}
 */
export async function compileForTraining(
  input: string,
  folder: string,
  { train, ...options }: TrainedBase,
  seed: number,
  sink: Sink,
): Promise<TrainGraphs> {
  const graphs = graphsIn(folder);
  const common = {
    ...options,
    ...(beginsAfresh(options, train) ? { seed } : {}),
    input,
  } as const;
  const { base, fromScratch } = train;
  const forward = {
    ...(base === undefined ? {} : { base }),
    ...(fromScratch === undefined ? {} : { fromScratch }),
  };
  // Both read the base's weights, of which one copy is enough.
  const shared = new SharedWeights();
  const emitted = (output: string, how: NonNullable<CompileOptions["train"]>): Promise<CompileReport> =>
    compileSharing({ ...common, output, train: how }, shared);
  const update = await emitted(graphs.train, { ...train, emit: "update" });
  const loss = await emitted(graphs.loss, { ...forward, emit: "loss" });
  tell([...update.diagnostics, ...loss.diagnostics], sink);
  return graphs;
}

/** Hands on what two graphs of one base were told, once. */
function tell(diagnostics: readonly Diagnostic[], sink: Sink): void {
  for (const diagnostic of diagnostics) {
    const isLinks = diagnostic.code === "WEIGHTS_HARD_LINKED";
    const isTold = sink.diagnostics.some(
      ({ code, what }) => code === diagnostic.code && (isLinks || what === diagnostic.what),
    );
    // A run's graphs are in a folder of their own, wherever the run is.
    const own = isLinks ? { ...diagnostic, fix: "where that matters, give `weights: copy`" } : diagnostic;
    if (!isTold) sink.diagnostics.push(own);
  }
}

/** Whether something of what is trained begins with random numbers. */
export function beginsAfresh(
  { load = [], adapters, replace = [] }: Omit<TrainedBase, "train">,
  { fromScratch = false }: TrainedBase["train"],
): boolean {
  return load.length === 0 && (adapters !== false || replace.length > 0 || fromScratch);
}

/** What a base was compiled with, as a run's checkpoint keeps it. */
export function settingsOfBase({ train, ...options }: TrainedBase): RunSettings {
  const { adapter, sites, settings, entries, adapters, load, replace, force } = options;
  const { dtype, quantize, block, symmetric } = options;
  const { base, fromScratch, memory, dropout } = train;
  const beside = {
    ...{ adapter, sites, entries, adapters, load, replace, force },
    ...{ dtype, quantize, block, symmetric, ...settings },
  };
  return Object.fromEntries(
    Object.entries({ ...beside, base, fromScratch, memory, dropout })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, isPlain(value) ? value : JSON.stringify(value)]),
  );
}

function isPlain(value: unknown): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}
