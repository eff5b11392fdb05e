import { checkIds, checkSampling, isCount, refused } from "./options.ts";
import { SAMPLING } from "./sampling.ts";
import type { GenerateRequest, Message } from "../model/types.ts";

/** What a request may have. */
const NAMES = [
  ...(["prompt", "messages", "adapter", "maxNewTokens", "stop", "stopIds", "logprobs", "signal"] as const),
  ...SAMPLING,
] satisfies (keyof GenerateRequest)[];

/** As many as OpenAI's API gives. */
const MOST_LOGPROBS = 20;

/**
 * A look at each option of a request, whatever JavaScript let through.
 *
 * @throws TfcError GENERATE_OPTION
 */
export function checkRequest(request: GenerateRequest): void {
  if (!isObject(request)) throw refused("the request", "an object with a prompt or messages", request);
  const strange = Object.keys(request).find((name) => !NAMES.some((known) => known === name));
  if (strange !== undefined) throw refused(strange, `one of ${NAMES.join(", ")}`, strange);
  checkPrompt(request);
  checkSampling(request);
  const { adapter, maxNewTokens, stop = [], stopIds = [], logprobs, signal } = request;
  check("adapter", adapter, "the name of an adapter", (value) => typeof value === "string");
  check("maxNewTokens", maxNewTokens, "a whole number, 0 or more", isCount);
  check("stop", stop, "a list of texts, none of them empty", (value) => isListOf(value, isText));
  check("stopIds", stopIds, "token ids: whole numbers, 0 or more", (value) => isListOf(value, isCount));
  check(
    "logprobs",
    logprobs,
    `a whole number from 0 to ${MOST_LOGPROBS}`,
    (value) => isCount(value) && value <= MOST_LOGPROBS,
  );
  check("signal", signal, "an AbortSignal", (value) => isObject(value) && "throwIfAborted" in value);
}

function checkPrompt({ prompt, messages }: GenerateRequest): void {
  const given: unknown = prompt;
  if ((given === undefined) === (messages === undefined)) {
    const found = given === undefined ? "neither" : "both";
    throw refused("the request", "either a prompt or messages", found);
  }
  if (Array.isArray(given)) checkIds(given);
  else check("prompt", given, "a text, or token ids", (value) => typeof value === "string");
  check(
    "messages",
    messages,
    "messages, one at least, each with a role and a content",
    (value) => isListOf(value, isMessage) && value.length > 0,
  );
}

function isMessage(value: unknown): value is Message {
  return (
    isObject(value) &&
    "role" in value &&
    typeof value.role === "string" &&
    "content" in value &&
    typeof value.content === "string"
  );
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isListOf(value: unknown, fits: (one: unknown) => boolean): value is readonly unknown[] {
  return Array.isArray(value) && value.every(fits);
}

function check(option: string, value: unknown, wanted: string, fits: (value: unknown) => boolean): void {
  if (value !== undefined && !fits(value)) throw refused(option, wanted, value);
}
