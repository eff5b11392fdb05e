import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * A configuration in a folder; null where there is none.
 *
 * @throws TfcError MODEL_CONFIG for what is no JSON object
 */
export function jsonIn(folder: string, name: string): Json | null {
  const file = path.join(folder, name);
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return null;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw inputError(
      "MODEL_CONFIG",
      { file },
      { why: cause instanceof Error ? cause.message : String(cause) },
      cause,
    );
  }
  if (isObject(json)) return json;
  throw inputError("MODEL_CONFIG", { file }, { why: "it is not a JSON object" });
}

/** What stands at a path of keys; undefined where nothing does. */
export function valueAt(json: Json | null, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), json);
}

/** A text at a path of keys, or null. */
export function textAt(json: Json | null, keys: readonly string[]): string | null {
  const value = valueAt(json, keys);
  return typeof value === "string" ? value : null;
}

/** A whole number above zero at a path of keys, or null. */
export function countAt(json: Json | null, keys: readonly string[]): number | null {
  const value = valueAt(json, keys);
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
