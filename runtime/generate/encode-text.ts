import { startThread } from "../threads/start.ts";
import { Encoder } from "./encoder.ts";
import type { EncodeText } from "./text-parts.ts";
import type { LoadedTokenizer } from "./tokenizer.ts";

/** What the thread is started with. */
export interface EncoderData {
  /** The tokenizer.json. */
  readonly file: string;
}

/** Characters up to which a text is encoded at once, in some milliseconds. */
const SHORT = 1000;
/** Characters from which on a text takes so long that others are not to wait for it. */
const LONG = 100_000;

/** Makes what encodes texts by a tokenizer: here, in a thread of their own, or, very long ones, in another. */
export function encodeTextBy(tokenizer: LoadedTokenizer): EncodeText {
  const { file } = tokenizer;
  const begin = (): ReturnType<typeof startThread> =>
    startThread("encoder-thread", { workerData: { file } satisfies EncoderData });
  const [usual, long] = [new Encoder(file, begin), new Encoder(file, begin)];
  return async (text, special, signal) => {
    if (text.length <= SHORT) return tokenizer.encode(text, special);
    return (text.length < LONG ? usual : long).encode(text, special, signal);
  };
}
