import { readFileSync } from "node:fs";
import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { refusePointerAt } from "../../compiler/onnx/lfs.ts";
import { lookAt } from "../../compiler/onnx/open-failure.ts";
import { isObject, type Json } from "./json.ts";

export { isObject, type Json } from "./json.ts";

/**
 * Reads a file that holds one JSON object; null where there is no file.
 *
 * @throws TfcError MODEL_CONFIG, FILE_IS_LFS_POINTER; what cannot be read is FILE_NOT_FOUND
 */
export function readJson(file: string): Json | null {
  const text = readText(file);
  if (text === null) return null;
  try {
    const json: unknown = JSON.parse(text);
    if (isObject(json)) return json;
  } catch (cause) {
    throw invalid(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
  throw invalid(file, "another value");
}

/** Reads a file of text; null where there is none. @throws TfcError FILE_NOT_FOUND, FILE_IS_LFS_POINTER */
export function readText(file: string): string | null {
  if (lookAt(file) === null) return null;
  try {
    refusePointerAt(file);
    return readFileSync(file, "utf8");
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    const found = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_FOUND", { file }, { file, found }, cause);
  }
}

function invalid(file: string, found: string, cause?: unknown): Error {
  return inputError("MODEL_CONFIG", { file }, { why: found }, cause);
}
