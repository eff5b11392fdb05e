import { join } from "node:path";
import type { GraphDescription } from "../bindings/description.ts";
import { inputError } from "../diagnostics/error.ts";
import { AskedThread, type Answerer } from "../../runtime/threads/asked.ts";
import { NotStarted, startProcess } from "../../runtime/threads/processes.ts";
import type { Found } from "./cache.ts";
import type { ImportRequest } from "./import-id.ts";
import type { Maker } from "./make-entry.ts";
import { packageFolder } from "./paths.ts";
import type { Work } from "./work.ts";

/**
 * Milliseconds after the last answer until the process ends where types of a model may still be asked for: as soon as it is
 * there. While somebody changes things and looks at them it is kept, as one that is warm compiles in half the time.
 */
const [IDLE, KEPT] = [50, 60_000];

/**
 * MiB of each half of the heap in which objects are young. V8 would take 16 before it looks which are still used; compiling
 * takes no longer with 2.
 */
const YOUNG = 2;

/**
 * A process that compiles, as a build sees it. What it takes of memory is given back when it ends, before a bundler takes
 * most itself; of a thread a part would stay with the bundler's process.
 */
export class CompileProcess {
  readonly #process: AskedThread<Work, Found | string>;
  #isKept = false;
  /** Models whose types were not asked for yet. */
  #untyped = 0;

  /** @param begin starts a process that answers as compiling.ts does */
  constructor(begin: () => Answerer) {
    // A bundler goes on with the last answer, and takes memory.
    const idle = (): number => (this.#isKept ? KEPT : this.#untyped > 0 ? IDLE : 0);
    this.#process = new AskedThread({
      begin,
      get idle() {
        return idle();
      },
      ended: (work, cause) => {
        if (cause instanceof NotStarted) return cause;
        const place = work.kind === "entry" ? { file: work.request.model } : {};
        return inputError("BUILD_COMPILER_ENDED", place, { why: cause.message }, cause);
      },
    });
  }

  /** Says that more will be asked for, as in a build that watches: a process is kept for a minute. */
  keep(): void {
    this.#isKept = true;
  }

  /** Makes what an import asks for. @throws TfcError as makeEntry; BUILD_COMPILER_ENDED */
  async entry(request: ImportRequest, maker: Maker): Promise<Found> {
    this.#untyped++;
    return (await this.#done({ kind: "entry", request, maker })) as Found;
  }

  /** The types of a graph. @throws TfcError BUILD_COMPILER_ENDED */
  async types(graph: GraphDescription): Promise<string> {
    this.#untyped = Math.max(0, this.#untyped - 1);
    return (await this.#done({ kind: "types", graph })) as string;
  }

  async #done(work: Work): Promise<Found | string> {
    if (crosses(work)) {
      try {
        return await this.#process.ask(work);
      } catch (cause) {
        if (!(cause instanceof NotStarted)) throw cause;
      }
    }
    const { worked } = await import("./work.ts");
    return worked(work);
  }
}

/** Whether another process gets the same: a configuration that was given in code may hold what is no plain data. */
function crosses(work: Work): boolean {
  return work.kind === "types" || isPlain(work.maker.plugin);
}

function isPlain(value: unknown): boolean {
  if (typeof value === "function" || typeof value === "symbol") return false;
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  const prototype: unknown = Object.getPrototypeOf(value);
  const isObject = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isObject && Object.values(value).every(isPlain);
}

/** The one of this process. */
export const compileProcess = new CompileProcess(() =>
  startProcess(join(packageFolder, "dist", "plugin", "compiling.js"), [`--max-semi-space-size=${YOUNG}`]),
);
