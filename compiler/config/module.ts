import { SourceMap, type SourceMapPayload } from "node:module";
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inputError, type TfcError } from "../diagnostics/error.ts";
import { opening } from "../onnx/open-failure.ts";
import { importUrl } from "./import-url.ts";
import { textPlace, thrownAt, type TextPlace } from "./text-place.ts";
import { placed } from "./placed.ts";

const SOURCE = "JavaScript or TypeScript that can be parsed";

/** The error of a configuration that is not what its name says it is. */
export function unreadable(file: string, wanted: string, cause: unknown, place: TextPlace | null): TfcError {
  const path = place === null ? {} : { path: `line ${place.line}, column ${place.column}` };
  return inputError("CONFIG_INVALID", { file, ...path }, { wanted, found: messageOf(cause) }, cause);
}

/** The error of a module that was run, or could not be. */
export function failed(file: string, cause: unknown, place: TextPlace | null): TfcError {
  const wanted = cause instanceof SyntaxError ? SOURCE : "a module that runs without an error";
  return unreadable(file, wanted, cause, place);
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/**
 * Runs a module.
 *
 * @param isFresh whether it is run again where it has been
 * @returns its default export
 * @throws TfcError CONFIG_INVALID; what the module throws
 */
export async function importModule(file: string, isFresh = false): Promise<unknown> {
  const isTypeScript = /\.[cm]?ts$/.test(file);
  const module = isTypeScript ? await importTypeScript(file) : await importJavaScript(file, isFresh);
  if (module.default === undefined) {
    throw inputError("CONFIG_INVALID", { file }, { wanted: "a default export", found: "none" });
  }
  return module.default;
}

interface Imported {
  readonly default?: unknown;
}

/** @throws Error where the module waits for something that nothing is left to bring */
async function importFile(path: string, query = ""): Promise<Imported> {
  let giveUp = (): void => undefined;
  const waiting = new Promise<never>((_, reject) => {
    giveUp = () => {
      reject(new Error("a module that waits for what never comes"));
    };
  });
  process.once("beforeExit", giveUp);
  try {
    return await Promise.race([importUrl(pathToFileURL(path).href + query), waiting]);
  } finally {
    process.off("beforeExit", giveUp);
  }
}

async function importJavaScript(file: string, isFresh: boolean): Promise<Imported> {
  try {
    return await importFile(resolve(file), isFresh ? `?t=${statSync(file).mtimeMs}` : "");
  } catch (cause) {
    // Of what the syntax of a module lacks, Node tells the place on a terminal only.
    if (cause instanceof SyntaxError) await transpiled(file);
    throw cause;
  }
}

/**
 * Node 20 knows no TypeScript: its types are erased, and what is left is imported from a file beside it for a moment,
 * so that what it imports itself is found; in a folder that cannot be written, from one elsewhere.
 */
async function importTypeScript(file: string): Promise<Imported> {
  const { text, map } = await transpiled(file);
  const place = await placed(file, text);
  // A module may end the process.
  process.once("exit", place.remove);
  try {
    return await importFile(place.module);
  } catch (cause) {
    const at = thrownAt(cause, place.module);
    throw at === null ? cause : failed(file, cause, originOf(map, at));
  } finally {
    process.off("exit", place.remove);
    place.remove();
  }
}

interface Transpiled {
  readonly text: string;
  readonly map: SourceMap;
}

/** @throws TfcError CONFIG_INVALID for a syntax error */
async function transpiled(file: string): Promise<Transpiled> {
  const { ts } = await import("ts-morph");
  const { ESNext } = ts.ModuleKind;
  const compilerOptions = { module: ESNext, target: ts.ScriptTarget.ES2022, sourceMap: true };
  const source = opening(file, () => readFileSync(file, "utf8"));
  const result = ts.transpileModule(source, { compilerOptions, reportDiagnostics: true, fileName: file });
  const [wrong] = result.diagnostics ?? [];
  // What TypeScript can read in spite of an error may be something else than what was meant.
  if (wrong !== undefined) {
    const message = ts.flattenDiagnosticMessageText(wrong.messageText, " ");
    throw unreadable(
      file,
      SOURCE,
      message,
      wrong.start === undefined ? null : textPlace(source, wrong.start),
    );
  }
  const map = JSON.parse(result.sourceMapText ?? "") as SourceMapPayload;
  return { text: result.outputText, map: new SourceMap(map) };
}

/** The place in a source of one in what was made of it. */
function originOf(map: SourceMap, { line, column }: TextPlace): TextPlace | null {
  const entry = map.findEntry(line - 1, column - 1);
  if (!("originalLine" in entry)) return null;
  return { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}
