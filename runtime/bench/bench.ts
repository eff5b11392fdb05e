import { readFileSync } from "node:fs";
import type { Model } from "../model/types.ts";
import { random } from "../session/random.ts";

/** How long prompts and answers are, and how often each is measured. */
export interface BenchSizes {
  /** Default 512, or as many as the model has room for. */
  readonly promptTokens?: number;
  /** At least 2: the first comes with the prompt. Default 64. */
  readonly newTokens?: number;
  /** Times that each row is measured. Default 5. */
  readonly runs?: number;
}

/** What one model does with one adapter; medians of the runs. */
export interface BenchRow {
  /** null: the model alone */
  readonly adapter: string | null;
  /** tokens of the prompt per second */
  readonly prefill: number;
  /** milliseconds from the call until the first new token is there */
  readonly firstToken: number;
  /** new tokens per second behind the first */
  readonly decode: number;
}

/** Sizes that were measured. */
export interface Measured {
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly runs: number;
}

const DEFAULTS = { promptTokens: 512, newTokens: 64, runs: 5 };
/** Ids to choose from where a graph does not say how many there are. */
const FEW = 32;

/** The sizes to measure a model with: those asked for, or the usual ones as far as the model's context has room. */
export function sizesFor({ contextLength }: Pick<Model, "contextLength">, asked: BenchSizes): Measured {
  const { runs = DEFAULTS.runs } = asked;
  const room = contextLength ?? Infinity;
  const newTokens = asked.newTokens ?? Math.min(DEFAULTS.newTokens, Math.max(2, Math.floor(room / 4)));
  const promptTokens = asked.promptTokens ?? Math.min(DEFAULTS.promptTokens, Math.max(1, room - newTokens));
  return { promptTokens, newTokens, runs };
}

/**
 * Measures how fast a model answers prompts of made-up ids, which a seed decides, with each of some adapters in turn: one
 * round is not counted, and in every second one the order is turned round, so that other load meets all of them.
 *
 * @param adapters names; null is the model alone
 */
export async function measureModel(
  model: Model,
  adapters: readonly (string | null)[],
  { promptTokens, newTokens, runs }: Measured,
): Promise<readonly BenchRow[]> {
  const numbers = random(0, "bench");
  const prompt = Array.from({ length: promptTokens }, () => numbers.below(model.vocabularySize ?? FEW));
  const times = new Map(adapters.map((adapter) => [adapter, new Times()]));
  for (let round = 0; round <= runs; round++) {
    const order = round % 2 === 0 ? adapters : adapters.toReversed();
    for (const adapter of order) {
      // The end of a text is no end here: every answer has its whole length.
      const request = { prompt, stopIds: [], ...(adapter === null ? {} : { adapter }) };
      const start = performance.now();
      await model.generate({ ...request, maxNewTokens: 1 }).result();
      const firstToken = performance.now() - start;
      const { prefill, decode } = await model.generate({ ...request, maxNewTokens: newTokens }).result();
      if (round > 0) times.get(adapter)?.add({ prefill, decode, firstToken });
    }
  }
  return [...times].map(([adapter, own]) => ({ adapter, ...own.medians() }));
}

type Numbers = Omit<BenchRow, "adapter">;

class Times {
  readonly #all: Numbers[] = [];

  add(numbers: Numbers): void {
    this.#all.push(numbers);
  }

  medians(): Numbers {
    const of = (what: keyof Numbers): number => median(this.#all.map((one) => one[what]));
    return { prefill: of("prefill"), firstToken: of("firstToken"), decode: of("decode") };
  }
}

/** The middle one of some numbers, or the mean of the two there. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? NaN) + (sorted[Math.floor(half)] ?? NaN)) / 2;
}

/** The most memory that this process has had, in bytes; the kernel's mark where there is one. */
export function peakMemory(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Only Linux has it.
  }
  return process.resourceUsage().maxRSS * 1024;
}
