import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import { loadModelText, type ModelText } from "../../../runtime/generate/model-text.ts";

const sample = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama");

/** Lays a conversation out as chat models of the ChatML family do. */
export const chatMl =
  "{% for m in messages %}<{{ m.role }}>\n{{ m.content }}<|eos|>\n{% endfor %}{% if add_generation_prompt %}<assistant>\n{% endif %}";

/** A folder with the sample's tokenizer, and a chat template. */
export function tokenizerFolder(root: string, template = chatMl): string {
  const folder = mkdtempSync(path.join(root, "tokenizer-"));
  for (const name of ["tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"])
    cpSync(path.join(sample, name), path.join(folder, name));
  writeFileSync(path.join(folder, "chat_template.jinja"), template);
  return folder;
}

/** What goes with a model in a folder like that. */
export function modelTextIn(folder: string): ModelText {
  return loadModelText({ file: path.join(folder, "model.onnx"), folder });
}

/** Writes lines of JSON. */
export function jsonl(file: string, rows: readonly unknown[]): string {
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return file;
}
