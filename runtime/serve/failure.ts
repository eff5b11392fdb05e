import { TfcError } from "../../compiler/diagnostics/error.ts";

/** What OpenAI's clients know an error by, beside its status. */
interface Fields {
  /** A class of errors: `invalid_request_error`, `rate_limit_error`, … */
  readonly type: string;
  /** What is wrong, as a word for programs. */
  readonly code: string;
  /** The parameter that is wrong: `messages.0.content`. */
  readonly param?: string;
  /** Headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error that a client is told, in the form of OpenAI's. */
export class Failure extends Error {
  readonly status: number;
  readonly fields: Fields;

  constructor(status: number, message: string, fields: Fields, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "Failure";
    this.status = status;
    this.fields = fields;
  }

  /** The object that OpenAI's clients read. */
  get body(): object {
    const { type, code, param = null } = this.fields;
    return { error: { message: this.message, type, param, code } };
  }

  /** The same, answered with these headers too. */
  with(headers: Readonly<Record<string, string>>): Failure {
    const fields = { ...this.fields, headers: { ...this.fields.headers, ...headers } };
    return new Failure(this.status, this.message, fields, this.cause);
  }
}

/** The client sent what cannot be answered; status 400 unless another is given. */
export function invalid(message: string, code: string, param?: string, status = 400): Failure {
  return new Failure(status, message, {
    type: "invalid_request_error",
    code,
    ...(param === undefined ? {} : { param }),
  });
}

/** The server has too much to do for one more. Clients try again after `Retry-After`, in seconds. */
export function busy(message: string): Failure {
  const headers = { "retry-after": "1" };
  return new Failure(429, message, { type: "rate_limit_error", code: "queue_full", headers });
}

/** The server is stopping; another instance may answer. */
export function stopping(): Failure {
  const headers = { "retry-after": "5", connection: "close" };
  return new Failure(503, "The server is stopping.", { type: "server_error", code: "stopping", headers });
}

/** The model runs no longer: the server has to be started again. */
export function stopped(): Failure {
  return new Failure(503, "The model has stopped.", { type: "server_error", code: "model_stopped" });
}

/** The answer took longer than a request may. */
export function late(seconds: number): Failure {
  return new Failure(504, `The answer was not finished within ${seconds} s.`, {
    type: "server_error",
    code: "timeout",
  });
}

/** Codes of the model for what a client asks, and what OpenAI calls them, where it has a name of its own. */
const ASKED: ReadonlyMap<string, string> = new Map([
  ["GENERATE_OPTION", "invalid_value"],
  ["PROMPT_TOO_LONG", "context_length_exceeded"],
  ...[
    "PROMPT_EMPTY",
    "TOKEN_UNKNOWN",
    "TOKENIZER_MISSING",
    "CHAT_TEMPLATE_MISSING",
    "CHAT_TEMPLATE_REFUSED",
    "LOOP_WITHOUT_LOGPROBS",
  ].map((code) => [code, code.toLowerCase()] as const),
]);

/**
 * What a client is told of an error. Of one that is not the client's it learns no more than that there was one: a
 * message of the server's may name its files.
 */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const internal = new Failure(
    500,
    "The model could not answer; the server's log says why.",
    { type: "server_error", code: "internal_error" },
    error,
  );
  if (!(error instanceof TfcError)) return internal;
  const code: string = error.code;
  if (code === "REQUEST_QUEUE_FULL") return busy("Too many requests are waiting.");
  if (code === "MODEL_CLOSED") return stopping();
  const name = ASKED.get(code);
  if (name === undefined) return internal;
  const [first] = error.diagnostics;
  const { what = "the request is not valid", wanted, found } = first ?? {};
  const detail = wanted === undefined ? "" : `: wanted ${wanted}, found ${found ?? "something else"}`;
  return invalid(`${what}${detail}`.replaceAll("`", ""), name);
}
