import { parentPort, workerData } from "node:worker_threads";
import { sentError } from "../threads/errors.ts";
import type { EncodeAnswer, EncodeMessage } from "./encoder.ts";
import type { EncoderData } from "./encode-text.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

/* The thread that turns long texts into token ids, one after another: of a megabyte that takes a second or more. */
const { file } = workerData as EncoderData;
let tokenizer: Tokenizer | undefined;

parentPort?.on("message", (message: EncodeMessage) => {
  const answer = answerTo(message);
  parentPort?.postMessage(answer, "ids" in answer ? [answer.ids.buffer as ArrayBuffer] : []);
});

function answerTo({ id, text, special }: EncodeMessage): EncodeAnswer {
  try {
    tokenizer ??= loadTokenizer(file);
    return { id, ids: Float64Array.from(tokenizer.encode(text, special)) };
  } catch (cause) {
    return { id, error: sentError(cause) };
  }
}
