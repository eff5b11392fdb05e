import { diagnosticText } from "../diagnostics/diagnostic.ts";
import { internalError, TfcError } from "../diagnostics/error.ts";
import { Sink } from "../diagnostics/sink.ts";
import type { Model } from "../ir/model.ts";
import { Rewriter } from "../ir/rewriter.ts";
import { verifyModel } from "../ir/verify.ts";
import { Analyses } from "./analyses.ts";
import { checkOptions } from "./options.ts";
import type { Invariant, Pass } from "./pass.ts";
import { checkVisitor, walkModel } from "./walk.ts";

/** A pass with the options it is to run with, as a list of passes holds it. */
export interface Step {
  readonly pass: Pass;
  readonly options: Readonly<Record<string, unknown>>;
}

/** What one pass did. */
export interface PassResult {
  readonly pass: string;
  readonly changed: boolean;
  readonly stats: Readonly<Record<string, number>>;
  /** Milliseconds, verification included. */
  readonly time: number;
}

/** Called after each pass. */
export type AfterPass = (result: PassResult, model: Model) => void;

/** A step of a pass with its own options checked by type. */
export function step<O>(pass: Pass<O>, options: Partial<O> = {}): Step {
  return { pass: pass as Pass, options };
}

/**
 * Runs passes over a model, in place, in order. Before each, what it requires is checked; after each, the model is
 * verified and what it ensures is checked. A failure names the pass and those before it.
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
  checkInvariants(pass.requires, model, pass.name, before, "before");
  const visitor = pass.visitor({
    model,
    options: checkOptions(pass.options, options, pass.name),
    rewriter,
    sink,
    analysis: (analysis) => {
      if (rewriter.changes > analysed) analyses.drop();
      analysed = rewriter.changes;
      return analyses.get(analysis);
    },
    count: (stat, by = 1) => {
      const known = stats[stat];
      if (known === undefined)
        throw internalError({ pass: pass.name }, `it counts "${stat}", which it does not declare`);
      stats[stat] = known + by;
    },
  });
  checkVisitor(visitor, pass.name);
  try {
    walkModel(model, visitor, pass.scopes);
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    const what = cause instanceof Error ? cause.message : String(cause);
    throw internalError(
      { pass: pass.name },
      `${what} (passes run before: ${before.join(", ") || "none"})`,
      cause,
    );
  }
  const changed = rewriter.changes > made;
  if (changed) {
    analyses.drop();
    verifyAfter(model, pass.name, before);
  }
  checkInvariants(pass.ensures, model, pass.name, before, "after");
  return { pass: pass.name, changed, stats, time: performance.now() - start };
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
  when: "before" | "after",
): void {
  const broken = invariants.find((invariant) => !invariant.holds(model));
  if (broken === undefined) return;
  const ran = before.length === 0 ? "no pass ran before" : `passes run before: ${before.join(", ")}`;
  throw internalError({ pass }, `the model is not ${broken.name} ${when} it ran (${ran})`);
}
