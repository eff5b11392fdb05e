import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { modelsIn } from "../../compiler/onnx/models-in.ts";
import { lookAt } from "../../compiler/onnx/open-failure.ts";
import { isObject, readJson } from "../generate/json-file.ts";
import type { ModelPlace } from "../generate/model-text.ts";

/** What exporters call the graph that does all: beside a merged decoder may lie the two that it was made of. */
const NAMES = ["model.onnx", "decoder_model_merged.onnx"];

/**
 * The graph that a path means: an .onnx file itself; of a folder what its genai_config.json names, else its model.onnx,
 * its merged decoder or its only model, else those of a folder in it.
 *
 * @throws TfcError MODEL_FOLDER, FILE_NOT_FOUND; MODEL_CONFIG for a genai_config.json that cannot be read
 */
export function locateModel(where: string): ModelPlace {
  if (lookAt(where)?.isDirectory() !== true) return { file: where, folder: path.dirname(where) };
  const named = genaiFile(where);
  if (named !== null) return { file: path.join(where, named), folder: where };
  const found = modelsIn(where);
  const own = found.filter((name) => path.dirname(name) === ".");
  const among = own.length > 0 ? own : found;
  const byName = NAMES.map((name) => among.filter((one) => path.basename(one) === name));
  const obvious = among.length === 1 ? among : byName.find((some) => some.length > 0);
  const [file, ...more] = obvious ?? [];
  if (file === undefined || more.length > 0) throw inputError("MODEL_FOLDER", { file: where }, { found });
  return { file: path.join(where, file), folder: where };
}

/** The graph that a genai_config.json names, or null. */
function genaiFile(folder: string): string | null {
  const model = readJson(path.join(folder, "genai_config.json"))?.["model"];
  const decoder = isObject(model) ? model["decoder"] : undefined;
  const name = isObject(decoder) ? decoder["filename"] : undefined;
  return typeof name === "string" ? name : null;
}
