import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { AdapterFeeder, type AdapterChoice } from "../adapters/feeder.ts";
import { defaultCases, fitCases, type Skipped } from "./cases.ts";
import { caseText, withSizes, type Case } from "../session/dims.ts";
import { makeFeeds, type FeedOptions } from "../session/feeds.ts";
import { openSession, type Session, type SessionOptions } from "../session/session.ts";
import { Tally, type Level, type LevelReport } from "./tally.ts";
import type { Port, Tensors } from "../session/tensor.ts";

export interface VerifyOptions extends FeedOptions, AdapterChoice {
  /** Levels of onnxruntime's graph optimisation to run at. Default both. */
  readonly levels?: readonly Level[];
  /** Allowed at "off", absolute or relative; default 0: equal bit for bit, but for the sign of zero. */
  readonly toleranceExact?: number;
  /** Allowed at "all", absolute or relative: fused kernels may round otherwise. Default 1e-5. */
  readonly tolerance?: number;
  /** Default: {@link defaultCases}. */
  readonly cases?: readonly Case[];
  readonly provider?: SessionOptions["provider"];
  readonly threads?: number;
}

/** What {@link verify} found; plain data, fit for JSON. */
export interface Report {
  readonly base: string;
  readonly compiled: string;
  readonly provider: string;
  readonly seed: number;
  /** whether the graphs agree at every level */
  readonly same: boolean;
  readonly levels: readonly LevelReport[];
  /** what was not run, and why; with the level where it was skipped at one only */
  readonly skipped: readonly (Skipped & { readonly optimizations?: Level })[];
}

/**
 * Runs two graphs on the same made-up inputs and compares every output element by element, with onnxruntime's
 * optimisations off and on.
 *
 * @throws TfcError VERIFY_INTERFACE when inputs or outputs differ in name or type; VERIFY_INPUT when an input
 *   cannot be made up; VERIFY_NO_CASE when the base model runs in no case; RUNTIME_FAILED when only the compiled
 *   graph does not run; what {@link openSession} and {@link AdapterFeeder} throw. A difference is no error: see `Report.same`.
 */
export async function verify(base: string, compiled: string, options: VerifyOptions = {}): Promise<Report> {
  const levels: LevelReport[] = [];
  const skipped: Report["skipped"][number][] = [];
  let provider = "cpu";
  for (const level of options.levels ?? (["off", "all"] as const)) {
    const found = await withSessions([base, compiled], level, options, async (pair) => {
      const feeders = pair.map((session) => new AdapterFeeder(session, options)) as [
        AdapterFeeder,
        AdapterFeeder,
      ];
      checkChoice(compiled, feeders, options);
      checkInterface(pair, feeders);
      provider = pair[0].provider;
      const { cases, skipped: unfit } = fitCases(
        withSizes(pair[0].inputs, options.symbols),
        options.cases ?? defaultCases,
      );
      if (levels.length === 0) skipped.push(...unfit);
      return compareCases(pair, feeders, cases, level, options);
    });
    for (const entry of found.skipped) noteSkipped(skipped, entry, level);
    if (found.report.cases.length === 0) {
      throw inputError(
        "VERIFY_NO_CASE",
        { file: base },
        { why: skipped.at(-1)?.reason ?? "no cases were asked for" },
      );
    }
    levels.push(found.report);
  }
  const same = levels.every((level) => level.same);
  return { base, compiled, provider, seed: options.seed ?? 0, same, levels, skipped };
}

/** A case that is skipped for one reason at both levels is one entry, of no level. */
function noteSkipped(skipped: Report["skipped"][number][], entry: Skipped, optimizations: Level): void {
  const alike = (other: Skipped): boolean =>
    other.reason === entry.reason && caseText(other.case) === caseText(entry.case);
  const at = skipped.findIndex(alike);
  if (at < 0) skipped.push({ ...entry, optimizations });
  else skipped[at] = entry;
}

type Pair = readonly [base: Session, compiled: Session];

async function withSessions<T>(
  files: readonly [string, string],
  level: Level,
  { provider, threads }: VerifyOptions,
  act: (pair: Pair) => Promise<T>,
): Promise<T> {
  const options: SessionOptions = {
    optimizations: level,
    ...(provider === undefined ? {} : { provider }),
    ...(threads === undefined ? {} : { threads }),
  };
  const base = await openSession(files[0], options);
  try {
    const compiled = await openSession(files[1], { ...options, provider: base.provider });
    try {
      return await act([base, compiled]);
    } finally {
      await compiled.close();
    }
  } finally {
    await base.close();
  }
}

type Feeders = readonly [base: AdapterFeeder, compiled: AdapterFeeder];

/** An adapter that neither graph takes would be compared with nothing. */
function checkChoice(file: string, feeders: Feeders, { load, adapterIds }: VerifyOptions): void {
  if (load !== undefined && !feeders.some(({ takesAdapters }) => takesAdapters))
    throw inputError("ADAPTER_INPUTS_NONE", { file }, {});
  if (adapterIds !== undefined && !feeders.some(({ takesIds }) => takesIds))
    throw inputError("ADAPTER_IDS_NONE", { file }, {});
}

function checkInterface([base, compiled]: Pair, feeders: Feeders): void {
  const [inputs, others] = [feeders[0].ownInputs, feeders[1].ownInputs];
  for (const what of ["inputs", "outputs"] as const) {
    const [a, b] = what === "inputs" ? [inputs, others] : [base.outputs, compiled.outputs];
    const [missing, extra] = [unmatched(a, b), unmatched(b, a)];
    if (missing === "" && extra === "") continue;
    const [wanted, found] = [missing || "no others", extra || "none in their place"];
    throw inputError("VERIFY_INTERFACE", { file: compiled.file }, { what, wanted, found });
  }
}

/** The ports that have no counterpart of their name and type. */
function unmatched(ports: readonly Port[], others: readonly Port[]): string {
  const text = (port: Port): string => `${port.name} (${port.dtype ?? "no tensor"})`;
  const known = new Set(others.map(text));
  return ports
    .map(text)
    .filter((port) => !known.has(port))
    .join(", ");
}

async function compareCases(
  [base, compiled]: Pair,
  feeders: Feeders,
  cases: readonly Case[],
  level: Level,
  options: VerifyOptions,
): Promise<{ report: LevelReport; skipped: Skipped[] }> {
  const tolerance = level === "off" ? (options.toleranceExact ?? 0) : (options.tolerance ?? 1e-5);
  const tally = new Tally();
  const skipped: Skipped[] = [];
  for (const sizes of cases) {
    const feeds = makeFeeds({ inputs: feeders[0].ownInputs, outputs: base.outputs }, sizes, options);
    const want = await base.run(feeders[0].complete(feeds, sizes)).catch((cause: unknown) => {
      if (!(cause instanceof TfcError) || cause.code !== "RUNTIME_FAILED") throw cause;
      return cause;
    });
    if (want instanceof TfcError) {
      skipped.push({ case: sizes, reason: `the base model refuses it: ${want.diagnostics[0]?.found ?? ""}` });
      continue;
    }
    tally.add(sizes, want, await runCompiled(compiled, feeders[1].complete(feeds, sizes), sizes), tolerance);
  }
  return { report: tally.report(level, tolerance), skipped };
}

/** A failure here, where the base model ran, is the compiled graph's own: it names the case. */
async function runCompiled(compiled: Session, feeds: Tensors, sizes: Case): Promise<Tensors> {
  try {
    return await compiled.run(feeds);
  } catch (cause) {
    if (!(cause instanceof TfcError) || cause.code !== "RUNTIME_FAILED") throw cause;
    const why = `${cause.diagnostics[0]?.found ?? ""} (in ${caseText(sizes)}, which the base model runs)`;
    throw inputError("RUNTIME_FAILED", { file: compiled.file }, { why }, cause);
  }
}
