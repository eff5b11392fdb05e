import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";

/** Names are listed up to this many. */
const SHOWN = 5;

/** What to give in place of a folder: the models that lie in it, or in a folder in it, the likeliest first. */
export function insteadOfFolder(folder: string): string {
  const [first, ...others] = modelsIn(folder);
  if (first === undefined) return "give the .onnx file of a model; this folder has none";
  if (others.length === 0) return `give ${join(folder, first)}`;
  const shown = [first, ...others].slice(0, SHOWN).map((name) => join(folder, name));
  const more = others.length + 1 - shown.length;
  return `give one of its models: ${shown.join(", ")}${more === 0 ? "" : ` and ${more} more`}`;
}

/** Models of a folder and of the folders in it, relative to it: `model.onnx` first, and what lies in it before the rest. */
export function modelsIn(folder: string): readonly string[] {
  const own = namesIn(folder);
  const inner = own
    .filter((name) => !name.startsWith(".") && isFolder(join(folder, name)))
    .flatMap((name) => namesIn(join(folder, name)).map((file) => join(name, file)));
  return [...sorted(own.filter(isModel)), ...sorted(inner.filter(isModel))].filter(
    (name) => !isFolder(join(folder, name)),
  );
}

function isModel(name: string): boolean {
  return name.toLowerCase().endsWith(".onnx");
}

/** `model.onnx` first, which exporters call what they make. */
function sorted(names: readonly string[]): readonly string[] {
  const isMain = (name: string): boolean => basename(name) === "model.onnx";
  return [...names].sort((a, b) => Number(isMain(b)) - Number(isMain(a)) || (a < b ? -1 : 1));
}

/** None of a folder that cannot be read. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
