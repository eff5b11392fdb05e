import { inputError, TfcError } from "../../../compiler/diagnostics/error.ts";
import { isObject } from "../../generate/json-file.ts";
import type { ModelText } from "../../generate/model-text.ts";
import type { LoadedTokenizer } from "../../generate/tokenizer.ts";
import type { Message } from "../../model/types.ts";
import { messagesOf, type MessageReading } from "./messages.ts";
import { kindOf, type Refuse } from "./fault.ts";
import { conversationTokens, tokensWithin } from "./conversation.ts";
import { isLearned, marked } from "./marked.ts";
import { badLine, placeOf, type DataPlace, type Row } from "./row.ts";

/** Makes token ids of examples. */
export interface ExampleReader {
  /** Ids that begin a text, `<s>` with some models. */
  readonly begin: readonly number[];
  /** The id that ends a text; null where the model has none. */
  readonly end: number | null;
  encode(text: string): number[];
  /**
   * Tokens of a row of a file, marked by what is learned of them: of a text all, of a prompt and its completion the completion, of
   * a conversation the assistant's answers.
   *
   * @throws TfcError TRAIN_DATA_LINE for a row that is no example; CHAT_TEMPLATE_*, TOKENIZER_INVALID
   */
  tokens(row: Row, file: string): readonly Int32Array[];
}

/**
 * Whether a row is a conversation in which the assistant says nothing: of such an answer what ends it is all that is
 * learned. One that calls a tool says that in another field.
 */
export function hasEmptyAnswer({ fields: { messages } }: Row): boolean {
  if (!Array.isArray(messages)) return false;
  return messages.some(
    (message) =>
      isObject(message) &&
      message["role"] === "assistant" &&
      Object.entries(message).every(([name, value]) => name === "role" || isNothing(value)),
  );
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return Array.isArray(value) ? value.length === 0 : typeof value === "string" && value.trim() === "";
}

/** Reads examples with a model's tokenizer and its chat template. @throws TfcError TOKENIZER_MISSING */
export function exampleReader(text: ModelText, file: string): ExampleReader {
  const { tokenizer } = text;
  if (tokenizer === null)
    throw inputError("TOKENIZER_MISSING", { file }, { why: "the data are text", isTraining: true });
  const encode = (part: string): number[] => tokenizer.encode(part, false);
  const begin = beginningOf(tokenizer);
  const end = endOf(tokenizer);
  const whole = (ids: readonly number[]): number[] => [...begin, ...ids, ...(end === null ? [] : [end])];
  const chat = (messages: readonly Message[], isOpen: boolean): string => text.chat(messages, isOpen);
  const tokens = (row: Row, data: string): readonly Int32Array[] => {
    const refuse: Refuse = (wanted, found) => badLine({ file: data, line: row.line }, { wanted, found });
    const example = exampleOf(row.fields, { refuse, namesRole: text.namesRole });
    if (example.kind === "text") return [marked(whole(encode(example.text)), () => true)];
    if (example.kind === "completion") {
      const joined = example.prompt + example.completion;
      const ids = encode(joined);
      const from = begin.length + tokensWithin(ids, joined, example.prompt.length, { encode });
      return [marked(whole(ids), (i) => i >= from)];
    }
    const found = conversationTokens(example.messages, { chat, encode });
    if (!found.some((one) => one.some((token) => isLearned(token))))
      throw refuse("an answer of the assistant", "none that the chat template writes");
    return found;
  };
  const placed: ExampleReader["tokens"] = (row, data) =>
    placing({ file: data, line: row.line }, () => tokens(row, data));
  return { begin, end, encode, tokens: placed };
}

/** A template that refuses a conversation says so of the line. */
function placing<T>(place: DataPlace, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (!(cause instanceof TfcError) || cause.code !== "CHAT_TEMPLATE_REFUSED") throw cause;
    const found = cause.diagnostics[0]?.found ?? "";
    throw inputError("CHAT_TEMPLATE_REFUSED", placeOf(place), { why: found }, cause);
  }
}

type Example =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "completion"; readonly prompt: string; readonly completion: string }
  | { readonly kind: "conversation"; readonly messages: readonly Message[] };

/** Fields of a row that a message shows. */
const SHOWN = 8;
const WANTED = "a text; or a prompt and a completion; or messages";

function exampleOf(fields: Row["fields"], reading: MessageReading): Example {
  const { refuse } = reading;
  const { messages, prompt, completion, text } = fields;
  const filled = (name: string, value: unknown): string => {
    if (typeof value !== "string") throw refuse(`${name}: a text`, `${name}: ${kindOf(value)}`);
    if (value === "") throw refuse(`${name}: a text`, `${name}: an empty one`);
    return value;
  };
  // Columns of tables are null where a row has none.
  const has = (value: unknown): boolean => value !== undefined && value !== null;
  if (has(messages)) return { kind: "conversation", messages: messagesOf(messages, reading) };
  if (has(completion) && has(prompt)) {
    if (typeof prompt !== "string") throw refuse("prompt: a text", `prompt: ${kindOf(prompt)}`);
    return { kind: "completion", prompt, completion: filled("completion", completion) };
  }
  if (has(text)) return { kind: "text", text: filled("text", text) };
  const names = Object.entries(fields).map(([name, value]) => `${name}: ${kindOf(value)}`);
  throw refuse(WANTED, names.length === 0 ? "nothing" : names.slice(0, SHOWN).join(", "));
}

/** What the tokenizer puts before each text. */
function beginningOf(tokenizer: LoadedTokenizer): readonly number[] {
  const [alone, all] = [tokenizer.encode("a", false), tokenizer.encode("a", true)];
  const at = all.findIndex((_, i) => alone.every((id, j) => all[i + j] === id));
  return at < 0 ? [] : all.slice(0, at);
}

function endOf(tokenizer: LoadedTokenizer): number | null {
  const text = tokenizer.tokens["eos_token"];
  const [id, ...more] = text === undefined ? [] : tokenizer.encode(text, false);
  return id !== undefined && more.length === 0 ? id : (tokenizer.stops[0] ?? null);
}
