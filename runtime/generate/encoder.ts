import type { Worker } from "node:worker_threads";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { AskedThread } from "../threads/asked.ts";

/** A text that is to become ids. */
export interface EncodeRequest {
  readonly text: string;
  /** Whether the tokenizer adds what it adds around a text. */
  readonly special: boolean;
}

/** Milliseconds after the last text until the thread ends; a new one has to read the tokenizer again. */
const IDLE = 60_000;

/** A thread with one tokenizer, as who asks it for ids sees it. */
export class Encoder {
  /** Ids are any whole numbers of JavaScript; as doubles their memory is handed over. */
  readonly #thread: AskedThread<EncodeRequest, Float64Array>;

  /**
   * @param file the tokenizer's, for messages
   * @param begin starts a thread that answers as encoder-thread.ts does
   */
  constructor(file: string, begin: () => Worker) {
    this.#thread = new AskedThread({
      begin,
      idle: IDLE,
      ended: (_, cause) => inputError("TOKENIZER_ENDED", { file }, { why: cause.message }, cause),
    });
  }

  /**
   * The ids of a text; texts are done in the order they come.
   *
   * @throws TfcError TOKENIZER_INVALID; TOKENIZER_ENDED where the thread itself fails; the signal's reason
   */
  async encode(text: string, special: boolean, signal?: AbortSignal): Promise<number[]> {
    return [...(await this.#thread.ask({ text, special }, signal))];
  }
}
