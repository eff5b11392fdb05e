import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { configIn } from "../config/find.ts";
import type { ImportRequest } from "./import-id.ts";
import type { PluginOptions } from "./options.ts";

/** The file of the configuration that an import is compiled with; null for none. It may not be there. */
export function configFile(
  { model, query }: ImportRequest,
  { config }: PluginOptions,
  root: string,
): string | null {
  const named = new URLSearchParams(query).get("config");
  if (named !== null && named !== "") return resolve(dirname(model), named);
  if (config === false || typeof config === "object") return null;
  return config === undefined ? configAbove(model, root) : resolve(root, config);
}

/** The configuration of a model's folder, or of one above it in its package; else the project's. */
function configAbove(model: string, root: string): string | null {
  for (let folder = dirname(model); ; folder = dirname(folder)) {
    const found = configIn(folder);
    if (found !== null) return found;
    if (existsSync(join(folder, "package.json")) || folder === dirname(folder)) return configIn(root);
  }
}
