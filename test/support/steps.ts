import { Session, type Profiler } from "node:inspector/promises";
import path from "node:path";
import { setFlagsFromString } from "node:v8";

/** Where the sources lie whose steps are counted. */
const root = path.resolve(import.meta.dirname, "../..");

/** V8's compilers. */
const tiers = ["turbofan", "maglev", "sparkplug"] as const;

/** How often parts of the sources ran, by file and offset. */
type Counts = ReadonlyMap<string, number>;

/**
 * Counts steps, not seconds: V8's precise coverage tells how often each part of each function ran. What the engine does
 * inside of itself is no part, so that operations on whole lists count as many steps as the lists are long.
 */
class StepCounter {
  readonly #session = new Session();
  readonly #lists = new ListCounter();

  async start(): Promise<void> {
    // Machine code that a function was inlined into does not count it.
    for (const tier of tiers) setFlagsFromString(`--no-${tier}`);
    this.#session.connect();
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** The steps of some work. */
  async of(work: () => unknown): Promise<Counts> {
    // Taking the counts sets them to zero.
    await this.#session.post("Profiler.takePreciseCoverage");
    const lists = await this.#lists.of(work);
    const { result } = await this.#session.post("Profiler.takePreciseCoverage");
    return new Map([...result.flatMap(countsOf), ...lists]);
  }

  async stop(): Promise<void> {
    await this.#session.post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
    for (const tier of tiers) setFlagsFromString(`--${tier}`);
  }
}

function countsOf({ url, functions }: Profiler.ScriptCoverage): (readonly [string, number])[] {
  const file = path.relative(root, url.replace(/^file:\/\//, ""));
  if (!/^(?:compiler|passes|runtime|node_modules\/protobufjs)\//.test(file)) return [];
  return functions.flatMap(({ functionName, ranges }) =>
    ranges.map(({ startOffset, count }) => [`${file}:${functionName}@${startOffset}`, count] as const),
  );
}

/** Methods that look at, or move, as many items as a list has. */
const whole = [
  "indexOf",
  "lastIndexOf",
  "includes",
  "slice",
  "splice",
  "concat",
  "shift",
  "unshift",
  "join",
] as const;

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Lists shorter than this are not counted: what they cost is nothing that grows. */
const SHORT = 32;

/** Counts the items that are spread, or looked at by an array's own methods, by the line that does it. */
class ListCounter {
  readonly #counts = new Map<string, number>();

  async of(work: () => unknown): Promise<Counts> {
    this.#counts.clear();
    // The test runner's own looks up where each line was written.
    const original = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
    Error.prepareStackTrace = (_, sites) => sites;
    const undo = [
      ...whole.map((name) =>
        this.#wrap(Array.prototype, name, (list) => (list as readonly unknown[]).length),
      ),
      this.#wrap(Array.prototype, Symbol.iterator, () => 0, true),
      this.#wrap(Set.prototype, Symbol.iterator, () => 0, true),
      this.#wrap(Map.prototype, Symbol.iterator, () => 0, true),
    ];
    try {
      await work();
    } finally {
      for (const one of undo) one();
      Object.defineProperty(Error, "prepareStackTrace", original ?? { value: undefined, configurable: true });
    }
    return this.#counts;
  }

  /** Replaces a method of a prototype by one that counts. @returns what undoes it */
  #wrap(
    prototype: object,
    name: PropertyKey,
    cost: (list: unknown) => number,
    isIterator = false,
  ): () => void {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
    const original = descriptor?.value as Method;
    const add = this.#add.bind(this);
    const counted: Method = function (...args) {
      const result = original.apply(this, args);
      if (isIterator) {
        const size = (this as { length?: number; size?: number }).length ?? (this as { size: number }).size;
        if (size >= SHORT) return countedIterator(result as Iterator<unknown>, add);
      } else if (cost(this) >= SHORT) add(cost(this));
      return result;
    };
    Object.defineProperty(prototype, name, { ...descriptor, value: counted });
    return () => {
      Object.defineProperty(prototype, name, descriptor ?? {});
    };
  }

  #add(items: number): void {
    const place = placeOf(new Error().stack as unknown as readonly NodeJS.CallSite[]);
    if (place !== null) this.#counts.set(place, (this.#counts.get(place) ?? 0) + items);
  }
}

/** An iterator that counts the items that are taken of it, and tells at its end. */
function countedIterator(inner: Iterator<unknown>, add: (items: number) => void): IterableIterator<unknown> {
  let items = 0;
  return {
    [Symbol.iterator]() {
      return this;
    },
    next() {
      const step = inner.next();
      if (step.done === true) add(items);
      else items++;
      return step;
    },
    return(value: unknown) {
      add(items);
      return { done: true, value };
    },
  };
}

/** The line of the sources that is nearest in a stack. */
function placeOf(sites: readonly NodeJS.CallSite[]): string | null {
  const site = sites.find((one) => fileOf(one) !== null);
  return site === undefined ? null : `${fileOf(site) ?? ""}:${site.getLineNumber() ?? 0} (list)`;
}

function fileOf(site: NodeJS.CallSite): string | null {
  return /\/((?:compiler|passes|runtime)\/.+)$/.exec(site.getFileName() ?? "")?.[1] ?? null;
}

/**
 * The parts of the sources that run too often when there is twice as much to do: more than 2.5 times as often, where
 * 2.2 is what sorting twice as much takes. A part is a file, a function, and an offset in what is executed.
 *
 * @param work does something of a size, all of it before the promise is settled
 * @param prepare makes what is worked on, uncounted
 * @returns a part and its two counts each: `passes/adapt/_assign.ts:checkFound@5343: 6480, 25760`
 */
export async function superlinear<T>(
  size: number,
  prepare: (size: number) => T,
  work: (prepared: T) => unknown,
): Promise<readonly string[]> {
  const counter = new StepCounter();
  const [warm, small, large] = [prepare(8), prepare(size), prepare(2 * size)];
  await counter.start();
  try {
    // Once uncounted: what is computed once only is no part of the comparison.
    await work(warm);
    const one = await counter.of(() => work(small));
    const two = await counter.of(() => work(large));
    return [...two].flatMap(([part, count]) => {
      const before = one.get(part) ?? 0;
      return count > 2 * size && count > 2.5 * before ? [`${part}: ${before}, ${count}`] : [];
    });
  } finally {
    await counter.stop();
  }
}
