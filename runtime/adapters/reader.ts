import type { Worker } from "node:worker_threads";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { AskedThread } from "../threads/asked.ts";
import type { Parcel } from "../threads/parcel.ts";
import { startThread } from "../threads/start.ts";
import type { BaseKnown, ReadRequest } from "./read.ts";

/** An adapter that was read. */
export interface Delivery {
  /** Its tensors, as a graph is fed them. */
  readonly parcel: Parcel;
  readonly base: BaseKnown;
}

/** Milliseconds after the last read until the thread ends: the next one starts another within a tenth of a second. */
const IDLE = 10_000;

/** A thread that reads adapters, as who asks it to read sees it. */
export class AdapterReader {
  readonly #thread: AskedThread<ReadRequest, Delivery>;

  /** @param begin starts a thread that answers as reader-thread.ts does */
  constructor(begin: () => Worker) {
    this.#thread = new AskedThread({
      begin,
      idle: IDLE,
      ended: ({ path }, cause) =>
        inputError("ADAPTER_READER_ENDED", { file: path }, { why: cause.message }, cause),
    });
  }

  /**
   * Reads an adapter in the thread; reads are answered in the order they are asked for.
   *
   * @throws TfcError as adapterFeeds; ADAPTER_READER_ENDED where the thread itself fails
   */
  read(request: ReadRequest): Promise<Delivery> {
    return this.#thread.ask(request);
  }
}

/** The one reader of this process. */
export const adapterReader = new AdapterReader(() => startThread("reader-thread"));
