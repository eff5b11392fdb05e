import { afterEach } from "@jest/globals";
import { scriptedModel, type Script, type ScriptedModel } from "../../support/scripted-model.ts";
import { serve, type Access, type ServeOptions, type Server } from "../../../runtime/serve/index.ts";

/** A server over a scripted model, with what it logged. */
export interface Serving extends Server {
  readonly model: ScriptedModel;
  readonly log: readonly Access[];
  /** Sends a request; an object is sent as JSON. */
  readonly send: (path: string, body?: unknown, more?: Sending) => Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  readonly json: Json | undefined;
}

/** What a server sends, as far as tests look into it. */
export interface Json {
  readonly id?: string;
  readonly choices?: readonly Choice[];
  readonly usage?: object | null;
  readonly error?: { readonly message: string; readonly code: string; readonly param: string | null };
}

interface Choice {
  readonly index: number;
  readonly text?: string;
  readonly delta?: { readonly content?: string };
  readonly message?: { readonly content: string };
  readonly logprobs: object | null;
  readonly finish_reason: string | null;
}

/** How a request is sent, where not as a POST of JSON. */
interface Sending {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

const open: Server[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

/** Serves a scripted model on a free port until the test ends. */
export async function serving(script: Script = {}, options: ServeOptions = {}): Promise<Serving> {
  const model = scriptedModel(script);
  const log: Access[] = [];
  const server = await serve(model, { port: 0, log: (access) => log.push(access), ...options });
  open.push(server);
  return { ...server, model, log, send: (path, body, more) => send(`${server.url}${path}`, body, more) };
}

async function send(url: string, body: unknown, { headers = {}, ...more }: Sending = {}): Promise<Reply> {
  const response = await fetch(url, {
    ...(body === undefined
      ? {}
      : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...more,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: jsonOf(text) };
}

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** The objects of a stream of server-sent events, `[DONE]` left out. @throws where it is not the last */
export function eventsOf(text: string): Json[] {
  const events = text.split("\n\n");
  if (events.pop() !== "") throw new Error("the last event is not complete");
  const lines = events.map((event) => event.replace(/^data: /, ""));
  if (lines.at(-1) === "[DONE]") lines.pop();
  return lines.map((line) => JSON.parse(line) as Json);
}

/** Waits until something holds. */
export async function until(holds: () => boolean, milliseconds = 30_000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!holds()) {
    if (performance.now() > end) throw new Error("it did not come about in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
