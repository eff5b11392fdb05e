import type { BenchRow, BenchSizes, Measured } from "../../runtime/bench/bench.ts";
import type { Model, ModelOptions } from "../../runtime/model/types.ts";
import { checkGiven, holds, oneOf, type Checks } from "./check-given.ts";
import { compile } from "./compile.ts";
import { TemporaryModels } from "./verify/temporary.ts";

/** How {@link bench} measures. */
export interface BenchOptions extends BenchSizes {
  /**
   * Adapters to measure with. A graph that takes adapters as inputs is fed them; any other is compiled with each, into a
   * temporary folder.
   */
  readonly load?: readonly string[];
  /** Where to run. Default "auto". */
  readonly device?: "auto" | "cpu" | "cuda";
  /** Threads within an op; onnxruntime's choice when left out. */
  readonly threads?: number;
}

/** What {@link bench} measured. */
export interface BenchReport extends Measured {
  readonly model: string;
  readonly provider: string;
  /** null: onnxruntime's choice */
  readonly threads: number | null;
  /** milliseconds that loading the model took */
  readonly loading: number;
  readonly rows: readonly BenchRow[];
  /** the most memory that the process had, in bytes */
  readonly memory: number;
}

const counts = (least: number) =>
  [
    `a whole number, ${least} or more`,
    (value: unknown) => Number.isSafeInteger(value) && Number(value) >= least,
  ] as const;

const checks: Checks<BenchOptions> = {
  load: holds.list,
  device: oneOf(["auto", "cpu", "cuda"]),
  threads: counts(1),
  promptTokens: counts(1),
  newTokens: counts(2),
  runs: counts(1),
};

/**
 * Measures how fast a model answers, alone and with adapters: a prompt of made-up ids, and new tokens one after another,
 * greedily. No tokenizer is needed.
 *
 * @param file a decoder's graph, or a folder with one
 * @throws TfcError OPTION_* for options; what loading, compiling and generating throw, such as PROMPT_TOO_LONG where
 *   prompt and answer are longer than the model's context
 */
export async function bench(file: string, options: BenchOptions = {}): Promise<BenchReport> {
  checkGiven(options, checks, "bench", []);
  const { loadModel } = await import("../../runtime/model/load.ts");
  const { measureModel, peakMemory, sizesFor } = await import("../../runtime/bench/bench.ts");
  const { load = [], device = "auto", threads } = options;
  const own: ModelOptions = { device, ...(threads === undefined ? {} : { threads }) };
  const start = performance.now();
  const model = await loadModel(file, own);
  const loading = performance.now() - start;
  try {
    const sizes = sizesFor(model, options);
    const isFed = await takesAdapters(model);
    if (isFed) for (const path of load) await model.adapters.add(path, path);
    const inGraph = [null, ...model.adapters.names.slice(0, Math.max(1, load.length))];
    const rows = await measureModel(model, inGraph, sizes);
    const measureOne = async (graph: string): Promise<readonly BenchRow[]> => {
      const other = await loadModel(graph, own);
      return measureModel(other, [null], sizes).finally(() => other.close());
    };
    const compiled = isFed ? [] : await eachCompiled(model.file, load, measureOne);
    const report = { model: file, provider: model.provider, threads: threads ?? null, loading, ...sizes };
    return { ...report, rows: [...rows, ...compiled], memory: peakMemory() };
  } finally {
    await model.close();
  }
}

/** Whether a graph has adapters as inputs. */
async function takesAdapters({ file, inputs }: Model): Promise<boolean> {
  const { adapterInterface } = await import("../../runtime/adapters/ports.ts");
  return adapterInterface(file, inputs).ports.length > 0;
}

/** Compiles a model with each of some adapters, one at a time, and measures that. */
async function eachCompiled(
  base: string,
  load: readonly string[],
  measureOne: (graph: string) => Promise<readonly BenchRow[]>,
): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const path of load) {
    const models = new TemporaryModels(base, base);
    try {
      const { file } = await models.make((output) => compile({ input: base, output, load: [path] }));
      rows.push(...(await measureOne(file)).map((row) => ({ ...row, adapter: path })));
    } finally {
      models.remove();
    }
  }
  return rows;
}
