import { existsSync } from "node:fs";
import path from "node:path";

/**
 * Folders in which files beside a graph are looked for, in order: its own, and the one above where only that holds a
 * tokenizer, as for the onnx/ of a model of the hub.
 */
export function foldersOf(file: string): readonly string[] {
  const own = path.dirname(file);
  const above = path.join(own, "..");
  const has = (folder: string): boolean => existsSync(path.join(folder, "tokenizer.json"));
  return !has(own) && has(above) ? [own, above] : [own];
}
