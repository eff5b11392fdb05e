import { randomUUID } from "node:crypto";
import type { Generation, Piece, Result } from "../model/types.ts";
import { failureOf } from "./failure.ts";
import { merged } from "./merged.ts";
import type { Ask } from "./protocol/ask.ts";
import type { Form } from "./protocol/form.ts";
import { usageOf, type Usage } from "./protocol/usage.ts";

/** Answers under way, and how they are written. */
export interface Answers {
  readonly ask: Ask;
  readonly form: Form;
  readonly generations: readonly Generation[];
  /** Is told how many tokens it took. */
  readonly done: (usage: Usage) => void;
  /** Is told what ended a stream; what the client is told may be less. */
  readonly failed: (error: unknown) => void;
}

/** All answers in one object, when the last is finished. */
export async function wholeAnswer({ ask, form, generations, done }: Answers): Promise<object> {
  const results = await Promise.all(generations.map((generation) => generation.result()));
  const usage = usageOf(results, ask.n);
  done(usage);
  const choices = results.map((result, index) => form.whole(index, result));
  return { ...head(ask, form.prefix, form.object), choices, usage };
}

/**
 * The objects of a stream, as JSON, `[DONE]` last. What throws before the first piece of an answer is thrown; what
 * throws later is the last object.
 */
export async function* streamedAnswer(answers: Answers): AsyncGenerator<string> {
  const { ask, form, generations } = answers;
  const common = head(ask, form.prefix, form.chunk);
  const last = ask.usage ? { usage: null } : {};
  const chunk = (choice: object | null): string[] =>
    choice === null ? [] : [JSON.stringify({ ...common, choices: [choice], ...last })];
  const results = new Map<number, Result>();
  let hasBegun = false;
  try {
    for await (const [index, event] of merged(generations.map(eventsOf))) {
      if (!hasBegun) for (const i of generations.keys()) yield* chunk(form.opening(i));
      hasBegun = true;
      if ("piece" in event) yield* chunk(form.piece(index, event.piece));
      else {
        results.set(index, event.result);
        yield* chunk(form.ending(index, event.result));
      }
    }
    const usage = usageOf(
      [...generations.keys()].flatMap((i) => results.get(i) ?? []),
      ask.n,
    );
    answers.done(usage);
    if (ask.usage) yield JSON.stringify({ ...common, choices: [], usage });
    yield "[DONE]";
  } catch (error) {
    if (!hasBegun) throw error;
    answers.failed(error);
    yield JSON.stringify(failureOf(error).body);
  }
}

type Event = { readonly piece: Piece } | { readonly result: Result };

async function* eventsOf(generation: Generation): AsyncGenerator<Event> {
  for await (const piece of generation.pieces()) yield { piece };
  yield { result: await generation.result() };
}

function head({ model }: Ask, prefix: string, object: string): object {
  const id = `${prefix}${randomUUID().replaceAll("-", "")}`;
  return { id, object, created: Math.floor(Date.now() / 1000), model };
}
