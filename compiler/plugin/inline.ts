import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inputError } from "../diagnostics/error.ts";
import type { PlacedEntry } from "./entry.ts";
import type { ModuleParts } from "./module-text.ts";
import type { Target } from "./options.ts";

/** Bytes that may be part of a module: as text they are a third more, and a page parses all of it before it runs. */
const LIMIT = 32 * 2 ** 20;

/**
 * A model's files as parts of the module.
 *
 * @throws TfcError BUILD_INLINE_SIZE; OPTION_CONFLICT in Node, whose onnxruntime reads weights from files
 */
export function inlineParts(entry: PlacedEntry, target: Target | null): Omit<ModuleParts, "web" | "host"> {
  if (target !== "browser") {
    const fix = "leave out `inline`, or build for browsers: `target: browser`";
    const other = target === null ? "a build that does not say where it runs" : "a build for Node";
    throw inputError("OPTION_CONFLICT", {}, { option: "inline", other, fix });
  }
  const bytes = entry.files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > LIMIT) throw inputError("BUILD_INLINE_SIZE", { file: entry.name }, { bytes, limit: LIMIT });
  const files = new Map(
    entry.files.map(({ path }) => {
      const content = readFileSync(join(entry.folder, path)).toString("base64");
      return [path, JSON.stringify(`data:application/octet-stream;base64,${content}`)] as const;
    }),
  );
  return { url: files.get(entry.graph) ?? "", files };
}
