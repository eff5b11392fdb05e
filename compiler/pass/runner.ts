import { diagnosticText } from "../diagnostics/diagnostic.ts";
import { internalError, TfcError } from "../diagnostics/error.ts";
import { Sink } from "../diagnostics/sink.ts";
import type { Model } from "../ir/model.ts";
import { Rewriter } from "../ir/rewriter.ts";
import { verifyModel } from "../ir/verify.ts";
import { Analyses, type Analysis } from "./analyses.ts";
import { checkOptions } from "./options.ts";
import type { Invariant, Pass } from "./pass.ts";

/** A pass with the options it is to run with, as a list of passes holds it. */
export interface Step {
  readonly pass: Pass;
  readonly options: Readonly<Record<string, unknown>>;
}

/** What one pass did. */
export interface PassResult {
  readonly pass: string;
  /** Whether it changed the graph. */
  readonly changed: boolean;
  /** What it counted, as its page in docs/passes explains. */
  readonly stats: Readonly<Record<string, number>>;
  /** Milliseconds, verification included. */
  readonly time: number;
}

/** Called after each pass. */
export type AfterPass = (result: PassResult, model: Model) => void;

/** A step of a pass with its own options checked by type. */
export function step<O, V extends object>(pass: Pass<O, V>, options: Partial<O> = {}): Step {
  return { pass: pass as unknown as Pass, options };
}

/**
 * Runs passes over a model, in place, in order. Before each, what it requires is checked; after each, the model is
 * verified. A failure names the pass and those before it.
 *
 * @param analyses what is known about the model already
 * @throws TfcError what a pass throws; internal INTERNAL when a pass leaves a broken model
 */
export function runPasses(
  model: Model,
  steps: readonly Step[],
  sink: Sink,
  after?: AfterPass,
  analyses = new Analyses(model),
): PassResult[] {
  const results: PassResult[] = [];
  for (const { pass, options } of steps) {
    const before = results.map((r) => r.pass);
    const result = runPass(model, { pass, options }, sink, before, analyses);
    results.push(result);
    after?.(result, model);
  }
  return results;
}

function runPass(
  model: Model,
  { pass, options }: Step,
  sink: Sink,
  before: readonly string[],
  analyses: Analyses,
): PassResult {
  const start = performance.now();
  const stats: Record<string, number> = Object.fromEntries(pass.stats.map((stat) => [stat, 0]));
  const rewriter = new Rewriter(pass.name);
  const made = rewriter.changes;
  let analysed = rewriter.changes;
  const analysis = <T>(wanted: Analysis<T>): T => {
    if (rewriter.changes > analysed) analyses.drop();
    analysed = rewriter.changes;
    return analyses.get(wanted);
  };
  const count = (stat: string, by = 1): void => {
    const known = stats[stat];
    if (known === undefined)
      throw internalError({ pass: pass.name }, `it counts "${stat}", which it does not declare`);
    stats[stat] = known + by;
  };
  checkInvariants(pass.requires, model, pass.name, before);
  const checked = checkOptions<object>(pass.options, options, pass.name);
  try {
    const visitor = pass.visitor({ model, options: checked, rewriter, sink, analysis, count });
    const [strange] = pass.walk.strangeKeys(visitor);
    if (strange !== undefined)
      throw internalError({ pass: pass.name }, `its visitor has a key "${strange}" that no walk ever meets`);
    pass.walk.walk(model, visitor, { analysis, changes: () => rewriter.changes });
  } catch (cause) {
    throw failure(cause, pass.name, before);
  }
  const changed = rewriter.changes > made;
  if (changed) {
    analyses.drop();
    verifyAfter(model, pass.name, before);
  }
  return { pass: pass.name, changed, stats, time: performance.now() - start };
}

/** What a pass threw; anything but an error for the user is a bug, and names the pass. */
function failure(cause: unknown, pass: string, before: readonly string[]): TfcError {
  if (cause instanceof TfcError) return cause;
  const what = cause instanceof Error ? cause.message : String(cause);
  return internalError({ pass }, `${what} (passes run before: ${before.join(", ") || "none"})`, cause);
}

function verifyAfter(model: Model, pass: string, before: readonly string[]): void {
  const found = verifyModel(model);
  const [first] = found;
  if (first === undefined) return;
  const what = `it left a broken model (passes run before: ${before.join(", ") || "none"}): ${diagnosticText(first)}`;
  throw internalError({ pass }, what);
}

function checkInvariants(
  invariants: readonly Invariant[],
  model: Model,
  pass: string,
  before: readonly string[],
): void {
  const broken = invariants.find((invariant) => !invariant.holds(model));
  if (broken === undefined) return;
  const ran = before.length === 0 ? "no pass ran before" : `passes run before: ${before.join(", ")}`;
  throw internalError({ pass }, `the model is not ${broken.name} before it ran (${ran})`);
}
