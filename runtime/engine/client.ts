import type { Worker } from "node:worker_threads";
import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";
import type { Provider } from "../session/devices.ts";
import type { Port } from "../session/tensor.ts";
import { receivedError } from "../threads/errors.ts";
import type { Parcel } from "../threads/parcel.ts";
import { portOf } from "../threads/port.ts";
import { startThread } from "../threads/start.ts";
import type { AdapterHost } from "./adapters.ts";
import { BusyFlag, waitAtExit } from "./busy.ts";
import { stopped } from "./failure.ts";
import type {
  Command,
  ThreadData,
  Ending,
  EngineOptions,
  EngineRequest,
  EngineToken,
  Event,
} from "./messages.ts";

/** Who is told what becomes of a request. After an end or an error nothing more comes. */
export interface Listener {
  token(token: EngineToken): void;
  end(ending: Ending): void;
  error(error: Error): void;
}

type Ready = Extract<Event, { type: "ready" }>;

interface Pending {
  readonly listener: Listener;
  hasStarted: boolean;
}

/**
 * An engine in a thread of its own, seen from this one. The thread keeps the process running while a request is under
 * way, and no longer: a model that was not closed does not.
 */
export class EngineThread implements AdapterHost {
  readonly file: string;
  readonly provider: Provider;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly contextLength: number | null;
  readonly vocabularySize: number | null;
  /** Whether the graph generates by itself: an answer comes whole, and rules of tokens say nothing to it. */
  readonly isLoop: boolean;
  /** Whether a run takes one row only: answers that are made at once take turns. */
  readonly isSingle: boolean;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  /** What is not sent yet, in order. */
  #outbox: Command[] = [];
  /** Why nothing more can be asked for. */
  #ended: TfcError | null = null;
  #closing: Promise<void> | undefined;

  private constructor(file: string, worker: Worker, ready: Ready) {
    this.file = file;
    this.provider = ready.provider;
    this.inputs = ready.inputs;
    this.outputs = ready.outputs;
    this.contextLength = ready.contextLength;
    this.vocabularySize = ready.vocabularySize;
    this.isLoop = ready.isLoop;
    this.isSingle = ready.isSingle;
    this.#worker = worker;
    worker.on("message", (event: Event) => {
      this.#hear(event);
    });
    worker.on("error", (cause) => {
      this.#stop(stopped(file, cause));
    });
    worker.on("exit", (code) => {
      this.#stop(stopped(file, `it ended with exit code ${code}`));
    });
    worker.unref();
  }

  /**
   * Starts a thread and loads the graph there.
   *
   * @param begin starts a thread that answers as engine-thread.ts does
   * @throws TfcError what {@link openSession} throws; GENERATE_UNSUPPORTED for a graph that is no decoder's;
   *   ENGINE_STOPPED
   */
  static async start(
    options: EngineOptions,
    begin: (workerData: ThreadData) => Worker = startEngine,
  ): Promise<EngineThread> {
    const busy = new BusyFlag();
    const worker = begin({ options, busy: busy.memory });
    const waitNoMore = waitAtExit(busy);
    worker.once("exit", waitNoMore);
    try {
      const ready = await firstEvent(worker, options.file);
      if (ready.type === "ready") return new EngineThread(options.file, worker, ready);
      throw ready.type === "failed" ? receivedError(ready.error) : stopped(options.file, "it said nothing");
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  /** Requests that run, and those that wait. */
  get load(): { readonly running: number; readonly waiting: number } {
    const all = [...this.#pending.values()];
    const running = all.filter(({ hasStarted }) => hasStarted).length;
    return { running, waiting: all.length - running };
  }

  /**
   * Asks for an answer; what becomes of it is told to the listener, never before this returns.
   *
   * @returns ends the work: nothing more is told then
   * @throws TfcError MODEL_CLOSED, ENGINE_STOPPED
   */
  request(request: Omit<EngineRequest, "id">, listener: Listener): () => void {
    if (this.#ended !== null) throw this.#ended;
    const id = this.#next++;
    this.#pending.set(id, { listener, hasStarted: false });
    this.#worker.ref();
    this.#send({ type: "request", request: { ...request, id } });
    return () => {
      if (this.#settle(id) !== undefined) this.#send({ type: "abort", id });
    };
  }

  put(adapter: number, parcel: Parcel): void {
    if (this.#ended !== null) throw this.#ended;
    this.#send({ type: "put", adapter, parcel });
  }

  drop(adapter: number): void {
    if (this.#ended === null) this.#send({ type: "drop", adapter });
  }

  /** Ends what runs with MODEL_CLOSED, and the thread. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#ended !== null) return;
    this.#stop(inputError("MODEL_CLOSED", { file: this.file }, {}));
    this.#worker.ref();
    const exit = new Promise<void>((resolve) =>
      this.#worker.once("exit", () => {
        resolve();
      }),
    );
    this.#send({ type: "close" });
    await exit;
  }

  /** Sends a command with all others of this turn, so that requests which are made together become one batch. */
  #send(command: Command): void {
    this.#outbox.push(command);
    if (this.#outbox.length > 1) return;
    // In a promise's turn this is when all promises that are settled have had theirs.
    process.nextTick(() => {
      const parcels = this.#outbox.flatMap((one) => (one.type === "put" ? [portOf(one.parcel)] : []));
      this.#worker.postMessage(this.#outbox, parcels);
      this.#outbox = [];
    });
  }

  #hear(event: Event): void {
    switch (event.type) {
      case "start": {
        const pending = this.#pending.get(event.id);
        if (pending !== undefined) pending.hasStarted = true;
        break;
      }
      case "tokens":
        for (const token of event.tokens) this.#pending.get(token.id)?.listener.token(token);
        break;
      case "idle":
        // Until then a run may be under way although nobody waits for it, and the process must not end.
        if (event.upTo === this.#next - 1 && this.#closing === undefined) this.#worker.unref();
        break;
      case "end":
        this.#settle(event.id)?.end(event);
        break;
      case "error":
        this.#settle(event.id)?.error(receivedError(event.error));
        break;
      default:
    }
  }

  /** Forgets a request; its listener, where it was still under way. */
  #settle(id: number): Listener | undefined {
    const listener = this.#pending.get(id)?.listener;
    this.#pending.delete(id);
    return listener;
  }

  #stop(why: TfcError): void {
    this.#ended ??= why;
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { listener } of all) listener.error(this.#ended);
  }
}

/**
 * Starts the thread. What it makes in JavaScript lives for one step and is small, and arrays of results are freed when
 * their objects are: with room for many steps' objects, the memory of many steps' results would wait there as well.
 */
function startEngine(workerData: ThreadData): Worker {
  return startThread("engine-thread", { workerData, resourceLimits: { maxYoungGenerationSizeMb: 2 } });
}

function firstEvent(worker: Worker, file: string): Promise<Event> {
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", (cause) => {
      reject(stopped(file, cause));
    });
    worker.once("exit", (code) => {
      reject(stopped(file, `it ended with exit code ${code}`));
    });
  });
}
