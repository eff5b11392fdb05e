import type { Message } from "../../model/types.ts";
import { marked } from "./marked.ts";

/** What lays conversations out and makes token ids of text. */
export interface Layout {
  /** @param isOpen whether an answer is to follow */
  chat(messages: readonly Message[], isOpen: boolean): string;
  encode(text: string): number[];
}

/** Stretches of a text, from and behind a character. */
interface Answer {
  readonly start: number;
  readonly end: number;
}

/**
 * Tokens of a conversation, of which those of the assistant's answers are learned, with what ends them. Usually one
 * sequence; where the template lays a conversation out otherwise when it goes on (reasoning that only the last answer
 * keeps), one for each answer, with what the model would be given before it.
 */
export function conversationTokens(messages: readonly Message[], layout: Layout): readonly Int32Array[] {
  const turns = messages.flatMap(({ role }, i) =>
    role === "assistant" ? [turnOf(messages, i, layout)] : [],
  );
  const whole = layout.chat(messages, false);
  const isOneText = turns.every(({ text }) => whole.startsWith(text));
  if (isOneText) return [tokensOf(whole, turns, layout)];
  return turns.map((turn) => tokensOf(turn.text, [turn], layout));
}

interface Turn extends Answer {
  /** The conversation up to the answer, and with it. */
  readonly text: string;
}

function turnOf(messages: readonly Message[], index: number, layout: Layout): Turn {
  const text = layout.chat(messages.slice(0, index + 1), false);
  // What the model is given when it is to answer; where the answer begins otherwise, what both have.
  const start = sharedLength(layout.chat(messages.slice(0, index), true), text);
  return { text, start, end: text.length };
}

function tokensOf(text: string, answers: readonly Answer[], layout: Layout): Int32Array {
  const ids = layout.encode(text);
  const ranges = answers.map(({ start, end }) => ({
    start: tokensWithin(ids, text, start, layout),
    end: end === text.length ? ids.length : tokensWithin(ids, text, end, layout),
  }));
  return marked(ids, (i) => ranges.some(({ start, end }) => i >= start && i < end));
}

/** How many of a text's first tokens are those of its first characters alone: one that reaches over them is none. */
export function tokensWithin(
  ids: readonly number[],
  text: string,
  length: number,
  { encode }: Pick<Layout, "encode">,
): number {
  return sharedLength(encode(text.slice(0, length)), ids);
}

/** How many of the first elements are the same. */
function sharedLength(a: ArrayLike<unknown>, b: ArrayLike<unknown>): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}
