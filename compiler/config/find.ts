import { existsSync } from "node:fs";
import { resolve } from "node:path";

/** The configuration of a folder, where it has one. */
export function configIn(folder: string): string | null {
  const names = ["tfc.config.ts", "tfc.config.mts", "tfc.config.js", "tfc.config.mjs", "tfc.config.json"];
  const found = names.map((name) => resolve(folder, name)).find((path) => existsSync(path));
  return found ?? null;
}
