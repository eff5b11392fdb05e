import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { AdapterFeeder, type AdapterChoice } from "../adapters/feeder.ts";
import { caseText, withSizes, type Case } from "../session/dims.ts";
import { makeFeeds, type FeedOptions } from "../session/feeds.ts";
import { asGrowing } from "../session/shared-caches.ts";
import { countedInputs, sharedLength } from "../session/file-facts.ts";
import type { Session } from "../session/session.ts";
import type { Port, Tensors } from "../session/tensor.ts";
import { defaultCases, fitCases, fixedRows, type Skipped } from "./cases.ts";
import { checkChoice, checkInterface, checkSizes, type Pair } from "./interface.ts";
import { ChosenLogits } from "./logits.ts";
import { runGrowing } from "./growing.ts";
import { measureNoise } from "./noise.ts";
import { withSessions, type Where } from "./sessions.ts";
import { Tally, type Allowed, type Level, type LevelReport } from "./tally.ts";
import { ofWindows } from "./windows.ts";

/** How to compare two graphs. */
export interface VerifyOptions extends FeedOptions, AdapterChoice, Where {
  /** Levels of onnxruntime's graph optimisation to run at. Default both. */
  readonly levels?: readonly Level[];
  /** Allowed at "off", absolute or relative; default 0: equal bit for bit, but for the sign of zero. */
  readonly toleranceExact?: number;
  /** Allowed at "all", absolute or relative: fused kernels may round otherwise. Default 1e-5. */
  readonly tolerance?: number;
  /**
   * Allowed at "all" where an input or output is float16: units in the last place of the output's largest element.
   * Default 4.
   */
  readonly toleranceUlps?: number;
  /**
   * What sums of another order may make of an output, as a share of its largest element; at "off", too, where float16
   * then has its last places. Default 0: without optimizations nodes round alike.
   */
  readonly share?: number;
  /** Default: {@link defaultCases}. */
  readonly cases?: readonly Case[];
  /**
   * Makes a graph of the base's own nodes with nothing added, and gives its path; null where that cannot be. Asked for
   * once, and only where something differs: see `LevelReport.noise`.
   */
  readonly control?: () => Promise<string | null>;
  /** What the control shows: see `Noise.between`. */
  readonly controlFor?: "graphs" | "roundings";
  /** An input of the control, a scalar of float, and what it is fed with: one run each. Default: none, one run. */
  readonly draws?: { readonly input: string; readonly values: readonly number[] };
  /** Is told what is being done. */
  readonly progress?: (doing: string) => void;
  /** Ends the work between two runs: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
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

/** Sums of half precision come out this many last places apart when kernels add in another order. */
export const HALF_ULPS = 4;

/**
 * Runs two graphs on the same made-up inputs and compares every output element by element, with onnxruntime's
 * optimisations off and on. What is beyond the tolerance is held against how far the base is from itself.
 *
 * @throws TfcError VERIFY_INTERFACE when inputs or outputs differ in name or type; VERIFY_INPUT when an input
 *   cannot be made up; VERIFY_SYMBOL for the size of a symbol that no input has; VERIFY_NO_CASE when the base model
 *   runs in no case; RUNTIME_FAILED when only the compiled graph does not run; what {@link openSession} and
 *   {@link adapterFeeds} throw. A difference is no error: see `same`
 */
export async function verify(base: string, compiled: string, options: VerifyOptions = {}): Promise<Report> {
  const levels: LevelReport[] = [];
  const skipped: Report["skipped"][number][] = [];
  let control: Promise<string | null> | undefined;
  let provider = "cpu";
  for (const level of options.levels ?? (["off", "all"] as const)) {
    options.progress?.(`optimizations ${level}: loading`);
    const found = await withSessions([base, compiled], level, options, (sessions) =>
      compareAt(level, sessions as unknown as Pair<Session>, options),
    );
    provider = found.provider;
    if (levels.length === 0) skipped.push(...found.unfit);
    for (const entry of found.skipped) noteSkipped(skipped, entry, level);
    if (found.ran === 0) {
      const why = skipped.at(-1)?.reason ?? "no cases were asked for";
      throw inputError("VERIFY_NO_CASE", { file: base }, { why });
    }
    if (found.tally.failing.length > 0) {
      control ??= options.control?.() ?? Promise.resolve(null);
      await measureNoise(found.tally, level, { base, control: await control }, options);
    }
    levels.push(found.tally.report(level));
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

interface Found {
  readonly provider: string;
  readonly tally: Tally;
  readonly ran: number;
  /** cases that the graph's static dims leave out, and those that the base refuses */
  readonly unfit: readonly Skipped[];
  readonly skipped: readonly Skipped[];
}

async function compareAt(level: Level, pair: Pair<Session>, options: VerifyOptions): Promise<Found> {
  const [base, compiled] = pair;
  const feeders = [new AdapterFeeder(base, options), new AdapterFeeder(compiled, options)] as const;
  checkChoice(compiled.file, feeders, options);
  const chosen = new ChosenLogits(feeders[0].ownInputs, compiled);
  const counted = countedInputs(compiled.file);
  checkInterface(pair, feeders, { chooses: chosen.input, counted });
  checkSizes(base.file, base.inputs, options.symbols ?? new Map<string, number>());
  const asked = options.cases ?? defaultCases;
  const rooms = [sharedLength(base.file), sharedLength(compiled.file)] as const;
  const ownInputs = asGrowing(feeders[0].ownInputs, rooms[0]);
  const { cases, skipped: unfit } = fitCases(
    withSizes(asGrowing(base.inputs, rooms[0]), options.symbols),
    asked,
    fixedRows(compiled.inputs),
  );
  const tally = new Tally(allowedAt(level, base, options));
  const allowedOfPart = allowedAt(level, base, {
    ...options,
    share: Math.max(options.share ?? 0, PART_SHARE),
  });
  const skipped: Skipped[] = [];
  for (const [i, sizes] of cases.entries()) {
    options.signal?.throwIfAborted();
    options.progress?.(`optimizations ${level}: case ${i + 1} of ${cases.length} (${caseText(sizes)})`);
    const tooLong = beyond(rooms, sizes);
    if (tooLong !== null) {
      skipped.push({ case: sizes, reason: tooLong });
      continue;
    }
    const feeds = makeFeeds({ inputs: ownInputs, outputs: base.outputs }, sizes, options);
    const want = await runBase(base, feeders[0].complete(feeds, sizes), sizes, rooms[0]);
    if (want instanceof TfcError) {
      skipped.push({ case: sizes, reason: `the base model refuses it: ${want.diagnostics[0]?.found ?? ""}` });
      continue;
    }
    for (const asked of chosen.asked(want)) {
      const taken = [...feeds].filter(([name]) => !counted.has(name));
      const own = feeders[1].complete(new Map([...taken, ...asked.feeds]), sizes);
      const got = await runCompiled(compiled, own, sizes, { level, room: rooms[1] });
      const filled = (results: Tensors): Tensors => ofWindows(results, base, options.rooms, sizes);
      tally.add(sizes, filled(asked.want), filled(got), asked.isPart ? allowedOfPart : undefined);
    }
  }
  return { provider: base.provider, tally, ran: cases.length - skipped.length, unfit, skipped };
}

/** Products of fewer rows add up in another order: what that makes of logits, as a share of the largest. */
const PART_SHARE = 1e-5;

function allowedAt(level: Level, base: Session, options: VerifyOptions): Allowed {
  const { share = 0 } = options;
  const isExact = level === "off" && share === 0;
  const isHalf = ({ dtype }: Port): boolean => dtype === "float16";
  const hasHalf = !isExact && [...base.inputs, ...base.outputs].some(isHalf);
  const halfUlps = hasHalf ? (options.toleranceUlps ?? HALF_ULPS) : 0;
  const tolerance = level === "off" ? (options.toleranceExact ?? 0) : (options.tolerance ?? 1e-5);
  return { tolerance, halfUlps, share };
}

/** Why a case is left out that shared caches have no room for; null where both graphs have it. */
function beyond([base, compiled]: Pair<number | null>, { past, sequence }: Case): string | null {
  const isBeyond = (room: number | null): boolean => room !== null && past + sequence > room;
  if (isBeyond(base)) return `the base's caches have room for ${String(base)} tokens`;
  return isBeyond(compiled) ? `the compiled graph's caches have room for ${String(compiled)} tokens` : null;
}

function runBase(
  base: Session,
  feeds: Tensors,
  sizes: Case,
  room: number | null,
): Promise<Tensors | TfcError> {
  return runGrowing(base, feeds, sizes, room).catch((cause: unknown) => {
    if (!(cause instanceof TfcError) || cause.code !== "RUNTIME_FAILED") throw cause;
    return cause;
  });
}

/** A failure here, where the base model ran, is the compiled graph's own: it names the case. */
async function runCompiled(
  compiled: Session,
  feeds: Tensors,
  sizes: Case,
  { level: optimizations, room }: { readonly level: Level; readonly room: number | null },
): Promise<Tensors> {
  try {
    return await runGrowing(compiled, feeds, sizes, room);
  } catch (cause) {
    if (!(cause instanceof TfcError) || cause.code !== "RUNTIME_FAILED") throw cause;
    const why = `${cause.diagnostics[0]?.found ?? ""} (in ${caseText(sizes)}, which the base model runs)`;
    throw inputError("RUNTIME_FAILED", { file: compiled.file }, { why, optimizations }, cause);
  }
}
