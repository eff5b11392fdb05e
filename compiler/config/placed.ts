import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inputError } from "../diagnostics/error.ts";

/** A module that lies somewhere for a moment. */
interface Placed {
  /** Its file, absolute. */
  readonly module: string;
  readonly remove: () => void;
}

let count = 0;

/**
 * Writes the JavaScript that a configuration has become beside it; where its folder cannot be written, into one for
 * temporary files, from which its imports lead to where they led.
 *
 * @throws TfcError CONFIG_INVALID where neither can be written
 */
export async function placed(file: string, text: string): Promise<Placed> {
  // Node runs what is under one path once: a configuration that has changed needs another.
  const module = join(dirname(resolve(file)), `.${basename(file)}.${process.pid}-${++count}.mjs`);
  try {
    writeFileSync(module, text, { flag: "wx" });
    return { module, remove: removing(module) };
  } catch {
    return elsewhere(file, text);
  }
}

async function elsewhere(file: string, text: string): Promise<Placed> {
  const leading = await withAbsoluteImports(text, file);
  try {
    const folder = mkdtempSync(join(tmpdir(), "tfc-config-"));
    const packages = packagesOf(dirname(resolve(file)));
    if (packages !== null) symlinkSync(packages, join(folder, "node_modules"), "junction");
    const module = join(folder, `${basename(file)}.mjs`);
    writeFileSync(module, leading, { flag: "wx" });
    return { module, remove: removing(folder) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const wanted =
      "a place for the JavaScript that the configuration becomes: its own folder, or one for temporary files";
    throw inputError("CONFIG_INVALID", { file }, { wanted, found: why }, cause);
  }
}

function removing(path: string): () => void {
  return () => {
    rmSync(path, { recursive: true, force: true });
  };
}

/** Paths in imports are as seen from the configuration, also in a module that lies elsewhere. */
async function withAbsoluteImports(text: string, file: string): Promise<string> {
  const { ts } = await import("ts-morph");
  const from = pathToFileURL(resolve(file));
  let result = text;
  // From the last to the first, so that places stay true.
  for (const { fileName, pos } of ts.preProcessFile(text, true, true).importedFiles.reverse()) {
    const at = result.indexOf(fileName, pos);
    if (at < 0 || !/^\.{1,2}(?:\/|$)/.test(fileName)) continue;
    result = result.slice(0, at) + new URL(fileName, from).href + result.slice(at + fileName.length);
  }
  return result;
}

/** The packages that a module in a folder finds: those of the nearest folder that has any. */
function packagesOf(folder: string): string | null {
  const packages = join(folder, "node_modules");
  if (existsSync(packages)) return packages;
  return dirname(folder) === folder ? null : packagesOf(dirname(folder));
}
