import * as v from "valibot";
import { Failure, invalid } from "../failure.ts";
import type { shared } from "./fields.ts";
import type { Answer } from "./ask.ts";

/**
 * A body in the form of a schema.
 *
 * @throws Failure naming the first parameter that is wrong
 */
export function parsed<S extends v.GenericSchema>(schema: S, body: unknown): v.InferOutput<S> {
  // An array would be told that it has no model.
  if (Array.isArray(body)) throw invalid("The request's body: wanted Object, found Array.", "invalid_value");
  const result = v.safeParse(schema, body, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  throw failureOf(result.issues[0]);
}

function failureOf(issue: v.BaseIssue<unknown>): Failure {
  const path = v.getDotPath(issue) ?? undefined;
  if (issue.type === "strict_object" && issue.expected === "never")
    return invalid(`Unrecognized request argument: ${path ?? ""}.`, "unknown_parameter", path);
  const where = path ?? "The request's body";
  if (issue.type === "custom") return invalid(`${where} ${issue.message}.`, "unsupported_parameter", path);
  if (issue.received === "undefined")
    return invalid(`${where} is missing.`, "missing_required_parameter", path);
  if (issue.type === "non_empty") return invalid(`${where} is empty.`, "invalid_value", path);
  // What one of several forms is to be is said by the schema; valibot has no word for a whole number.
  const named = issue.type === "integer" ? "a whole number" : issue.expected;
  const wanted = issue.type === "union" ? issue.message : (named ?? "another value");
  return invalid(`${where}: wanted ${wanted}, found ${clipped(issue.received)}.`, "invalid_value", path);
}

/** A message quotes no more than the beginning of what was sent. */
function clipped(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}

type Shared = v.InferOutput<v.ObjectSchema<typeof shared, undefined>>;

/** How each answer is made; `maxTokens` where the request does not say how long it may be, and at most. */
export function sampling(body: Shared, asked: number | null | undefined, maxTokens: number): Answer {
  if (asked != null && asked > maxTokens) {
    const message = `max_tokens: wanted ${maxTokens} at most, as this server is set, found ${asked}.`;
    throw invalid(message, "invalid_value", "max_tokens");
  }
  const { temperature, top_p, top_k, min_p, repetition_penalty, stop, stop_token_ids } = body;
  return {
    maxNewTokens: asked ?? maxTokens,
    ...(temperature == null ? {} : { temperature }),
    ...(top_p == null ? {} : { topP: top_p }),
    ...(top_k == null || top_k < 1 ? {} : { topK: top_k }),
    ...(min_p == null ? {} : { minP: min_p }),
    ...(repetition_penalty == null ? {} : { repetitionPenalty: repetition_penalty }),
    ...(stop == null ? {} : { stop: typeof stop === "string" ? [stop] : stop }),
    ...(stop_token_ids == null ? {} : { stopIds: stop_token_ids }),
  };
}

/** One answer as `n`: with the request's seed and those that follow it; with any where it has none. */
export function times<A extends Answer>(answer: A, n: number, seed: number | null | undefined): readonly A[] {
  return Array.from({ length: n }, (_, i) => (seed == null ? answer : { ...answer, seed: seed + i }));
}
