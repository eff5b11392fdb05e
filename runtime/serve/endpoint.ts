import type { Generation } from "../model/types.ts";
import { streamedAnswer, wholeAnswer, type Answers } from "./answers.ts";
import { jsonBody } from "./body.ts";
import { eventStream } from "./event-stream.ts";
import { invalid } from "./failure.ts";
import { chatForm } from "./protocol/chat-form.ts";
import { chatAsk } from "./protocol/chat-request.ts";
import { completionForm } from "./protocol/completion-form.ts";
import { completionAsk } from "./protocol/completion-request.ts";
import type { Ask } from "./protocol/ask.ts";
import type { Form } from "./protocol/form.ts";
import type { Service } from "./service.ts";
import type { Visit } from "./visit.ts";

/** One of the two ways to ask for answers. */
export interface Endpoint {
  /** @throws Failure for what is wrong with a body */
  ask(body: unknown, maxTokens: number): Ask;
  form(ask: Ask, service: Service): Form;
}

/** `/v1/chat/completions` */
export const chats: Endpoint = { ask: chatAsk, form: chatForm };

/** `/v1/completions` */
export const completions: Endpoint = {
  ask: completionAsk,
  form: (ask, { model }) => {
    if (!ask.echo) return completionForm(() => "");
    const texts = ask.answers.map(({ prompt = "" }) => {
      if (typeof prompt === "string") return prompt;
      if (model.tokenizer !== null) return model.tokenizer.decode(prompt);
      throw invalid("echo of token ids needs a tokenizer, which this model has not.", "no_tokenizer", "echo");
    });
    return completionForm((index) => texts[index] ?? "");
  },
};

/** Answers a request: in one object, or in a stream whose status is known with the first token. */
export async function answer(
  service: Service,
  visit: Visit,
  request: Request,
  endpoint: Endpoint,
): Promise<Response> {
  const { limits, names, places } = service;
  const ask = endpoint.ask(await jsonBody(request, limits.maxBody), limits.maxTokens);
  const lent = names.adapterOf(ask.model);
  visit.note({ model: ask.model });
  const form = endpoint.form(ask, service);
  visit.onEnd(places.take(ask.answers.length));
  visit.signal.throwIfAborted();
  const generations = ask.answers.map((one) =>
    service.model.generate({ ...one, ...lent, signal: visit.signal }),
  );
  const answers = answersOf(visit, ask, form, generations);
  return ask.stream
    ? streamed(answers, visit, limits.stallTimeout)
    : Response.json(await wholeAnswer(answers));
}

function answersOf(visit: Visit, ask: Ask, form: Form, generations: readonly Generation[]): Answers {
  return {
    ...{ ask, form, generations },
    done: (usage) => {
      visit.note({ prompt: usage.prompt_tokens, new: usage.completion_tokens });
    },
    failed: (error) => {
      visit.blame(error);
    },
  };
}

async function streamed(answers: Answers, visit: Visit, stallTimeout: number): Promise<Response> {
  const events = streamedAnswer(answers);
  const first = await events.next();
  const stream = eventStream(resumed(first, events), {
    stallTimeout: stallTimeout * 1000,
    stalled: () => {
      visit.cut();
    },
  });
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    // Proxies that gather answers would gather tokens.
    "x-accel-buffering": "no",
  };
  return new Response(stream, { headers });
}

async function* resumed<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}
