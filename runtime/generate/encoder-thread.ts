import { workerData } from "node:worker_threads";
import { answerAll } from "../threads/answer.ts";
import type { EncodeRequest } from "./encoder.ts";
import type { EncoderData } from "./encode-text.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

/* The thread that turns long texts into token ids, one after another: of a megabyte that takes a second or more. */
const { file } = workerData as EncoderData;
let tokenizer: Tokenizer | undefined;

answerAll(
  ({ text, special }: EncodeRequest) => {
    tokenizer ??= loadTokenizer(file);
    return Float64Array.from(tokenizer.encode(text, special));
  },
  ({ buffer }) => [buffer],
);
