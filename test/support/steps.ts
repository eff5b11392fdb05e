import { Session, type Profiler } from "node:inspector/promises";
import path from "node:path";
import { setFlagsFromString } from "node:v8";

/** Where the sources lie whose steps are counted. */
const root = path.resolve(import.meta.dirname, "../..");

/** V8's compilers: those that are on, since each is put on again. Maglev is from Node 22 on. */
const tiers = ["turbofan", "sparkplug", ...(Number.parseInt(process.versions.node) < 22 ? [] : ["maglev"])];

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

/** Methods that look at, or move, many items of a list, and how many. */
const whole: Readonly<Record<string, (list: readonly unknown[], args: readonly unknown[]) => number>> = {
  ...Object.fromEntries(
    ["indexOf", "lastIndexOf", "includes", "concat", "shift", "unshift", "join"].map((name) => [
      name,
      (list: readonly unknown[]) => list.length,
    ]),
  ),
  slice: ({ length }, args) => length - from(length, args[0]),
  splice: ({ length }, args) => length - from(length, args[0]),
};

function from(length: number, start: unknown): number {
  if (typeof start !== "number") return 0;
  return start < 0 ? Math.max(0, length + start) : Math.min(length, start);
}

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
      ...Object.entries(whole).map(([name, cost]) => this.#wrapMethod(name, cost)),
      ...[Array.prototype, Set.prototype, Map.prototype].map((one) => this.#wrapIterator(one)),
    ];
    try {
      await work();
    } finally {
      for (const one of undo) one();
      Object.defineProperty(Error, "prepareStackTrace", original ?? { value: undefined, configurable: true });
    }
    return this.#counts;
  }

  /** Replaces a method of arrays by one that counts. @returns what undoes it */
  #wrapMethod(
    name: string,
    cost: (list: readonly unknown[], args: readonly unknown[]) => number,
  ): () => void {
    const add = this.#add.bind(this);
    return replaced(Array.prototype, name, (original) => {
      return function (...args) {
        const items = cost(this as readonly unknown[], args);
        if (items >= SHORT) add(items);
        return original.apply(this, args);
      };
    });
  }

  /** Replaces what iterates over a list, set or map by what counts. @returns what undoes it */
  #wrapIterator(prototype: object): () => void {
    const add = this.#add.bind(this);
    return replaced(prototype, Symbol.iterator, (original) => {
      return function () {
        const inner = original.apply(this) as Iterator<unknown>;
        const { length = 0, size = length } = this as { readonly length?: number; readonly size?: number };
        return size < SHORT ? inner : countedIterator(inner, add);
      };
    });
  }

  #add(items: number): void {
    const place = placeOf(new Error().stack as unknown as readonly NodeJS.CallSite[]);
    if (place !== null) this.#counts.set(place, (this.#counts.get(place) ?? 0) + items);
  }
}

/** Replaces a method of a prototype. @returns what undoes it */
function replaced(prototype: object, name: PropertyKey, by: (original: Method) => Method): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name) ?? {};
  Object.defineProperty(prototype, name, { ...descriptor, value: by(descriptor.value as Method) });
  return () => {
    Object.defineProperty(prototype, name, descriptor);
  };
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
  prepare: (size: number) => T | Promise<T>,
  work: (prepared: T) => unknown,
): Promise<readonly string[]> {
  const counter = new StepCounter();
  const [warm, small, large] = [await prepare(8), await prepare(size), await prepare(2 * size)];
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
