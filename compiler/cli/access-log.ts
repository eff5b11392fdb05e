import { TfcError } from "../diagnostics/error.ts";
import type { Access } from "../../runtime/serve/index.ts";

/**
 * A request in a line: when it ended, who sent it, what for, its status, its time, and of answers the model and the
 * tokens of prompt and answer. What went wrong on the server's side stands below.
 */
export function accessText(access: Access, now = new Date()): string {
  const { method, path, from, status, milliseconds, model, prompt, new: made, error } = access;
  const words = [now.toISOString(), from, method, path, String(status), `${Math.round(milliseconds)}ms`];
  // A client can call a model what it likes.
  if (model !== undefined) words.push(JSON.stringify(model.slice(0, 200)));
  if (prompt !== undefined && made !== undefined) words.push(`${prompt}+${made}`);
  return error === undefined ? words.join(" ") : `${words.join(" ")}\n${errorText(error)}`;
}

function errorText(error: unknown): string {
  if (error instanceof TfcError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
