import { statSync } from "node:fs";
import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { modelsIn } from "../../compiler/onnx/models-in.ts";
import { jsonIn, textAt } from "./json.ts";

/** Where a model lies: its graph, and the folder of its tokenizer and configurations. */
export interface ModelPlace {
  readonly file: string;
  readonly folder: string;
}

/**
 * The graph that a path means: an .onnx file itself; of a folder what its genai_config.json names, else its model.onnx or
 * its only model, else those of a folder in it.
 *
 * @throws TfcError MODEL_FOLDER, FILE_NOT_FOUND; MODEL_CONFIG for a genai_config.json that cannot be read
 */
export function locateModel(where: string): ModelPlace {
  if (statSync(where, { throwIfNoEntry: false })?.isDirectory() !== true)
    return { file: where, folder: path.dirname(where) };
  const named = textAt(jsonIn(where, "genai_config.json"), ["model", "decoder", "filename"]);
  if (named !== null) return { file: path.join(where, named), folder: where };
  const found = modelsIn(where);
  const own = found.filter((name) => path.dirname(name) === ".");
  const among = own.length > 0 ? own : found;
  const obvious = among.length === 1 ? among : among.filter((name) => path.basename(name) === "model.onnx");
  const [file, ...more] = obvious;
  if (file === undefined || more.length > 0) throw inputError("MODEL_FOLDER", { file: where }, { found });
  return { file: path.join(where, file), folder: where };
}
