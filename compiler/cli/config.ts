import { SourceMap, type SourceMapPayload } from "node:module";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { injectAdapters, replaceLinears } from "../../passes/index.ts";
import type { CompileOptions } from "../compile/compile.ts";
import type { TfcConfig } from "../config/index.ts";
import { inputError, TfcError } from "../diagnostics/error.ts";
import { weightModes } from "../compile/place-weights.ts";
import { jsonErrorPlace, textPlace, thrownAt, type TextPlace } from "./config-place.ts";
import { providers } from "../ops/providers.ts";
import { jsonText, type Option } from "../pass/options.ts";

/** Options as the compiler takes them. */
export type ConfigOptions = Pick<
  CompileOptions,
  | "entries"
  | "replace"
  | "load"
  | "residence"
  | "members"
  | "seed"
  | "weights"
  | "strict"
  | "for"
  | "lowerPagedAttention"
>;

const isText = (value: unknown): boolean => typeof value === "string";
const isTexts = (value: unknown): boolean =>
  isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText));
const isCount = (value: unknown): boolean => Number.isSafeInteger(value);
const isSwitch = (value: unknown): boolean => typeof value === "boolean";
const isList = (value: unknown): boolean => Array.isArray(value);

/** What each key may hold; the compiler checks entries and ranges as it does those of flags. */
const keys: Readonly<Record<keyof TfcConfig, readonly [holds: string, check: (value: unknown) => boolean]>> =
  {
    adapters: ["a list of { kind, sites, settings }", isList],
    replace: ["a list of { sites, settings }", isList],
    load: ["a path, or a list of paths, one at least", isTexts],
    residence: ["baked, inputs, optional-inputs or bank", isText],
    members: ["a whole number", isCount],
    seed: ["a whole number", isCount],
    weights: [weightModes.join(", "), (value) => weightModes.some((mode) => mode === value)],
    strict: ["true or false", isSwitch],
    for: [providers.join(", "), (value) => providers.some((one) => one === value)],
    lowerPagedAttention: ["true or false", isSwitch],
  };

/**
 * Reads a configuration: JSON, or a module of TypeScript or JavaScript whose default export it is. A module is code of
 * the user's own, and runs.
 *
 * @throws TfcError FILE_NOT_FOUND; CONFIG_INVALID for what cannot be read, and for keys and values that are none
 */
export async function readConfig(file: string): Promise<ConfigOptions> {
  if (!existsSync(file)) throw inputError("FILE_NOT_FOUND", { file }, { file });
  try {
    const value: unknown = file.endsWith(".json") ? readJson(file) : await importModule(file);
    // Within the same care: what a module exports may run code when it is read, too.
    return optionsOf(checkConfig(value, file), file);
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    throw unreadable(file, cause, thrownAt(cause, resolve(file)));
  }
}

/** @throws TfcError CONFIG_INVALID */
function readJson(file: string): unknown {
  const text = readFileSync(file, "utf8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(file, cause, jsonErrorPlace(text, messageOf(cause)));
  }
}

function unreadable(file: string, cause: unknown, place: TextPlace | null): TfcError {
  const path = place === null ? {} : { path: `line ${place.line}, column ${place.column}` };
  const params = { wanted: "JSON, or a module", found: messageOf(cause) };
  return inputError("CONFIG_INVALID", { file, ...path }, params, cause);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

async function importModule(file: string): Promise<unknown> {
  const isTypeScript = /\.[cm]?ts$/.test(file);
  const module = isTypeScript ? await importTypeScript(file) : await importJavaScript(file);
  if (module.default === undefined) {
    throw inputError("CONFIG_INVALID", { file }, { wanted: "a default export", found: "none" });
  }
  return module.default;
}

interface Imported {
  readonly default?: unknown;
}

/** @throws Error where the module waits for something that nothing is left to bring */
async function importFile(path: string): Promise<Imported> {
  let giveUp = (): void => undefined;
  const waiting = new Promise<never>((_, reject) => {
    giveUp = () => {
      reject(new Error("a module that waits for what never comes"));
    };
  });
  process.once("beforeExit", giveUp);
  try {
    return await Promise.race([import(pathToFileURL(path).href) as Promise<Imported>, waiting]);
  } finally {
    process.off("beforeExit", giveUp);
  }
}

async function importJavaScript(file: string): Promise<Imported> {
  try {
    return await importFile(resolve(file));
  } catch (cause) {
    // Of what the syntax of a module lacks, Node tells the place on a terminal only.
    if (cause instanceof SyntaxError) await transpiled(file);
    throw cause;
  }
}

/**
 * Node 20 knows no TypeScript: its types are erased, and what is left is imported from a file beside it for a moment,
 * so that what it imports itself is found.
 */
async function importTypeScript(file: string): Promise<Imported> {
  const { text, map } = await transpiled(file);
  const beside = join(dirname(resolve(file)), `.${basename(file)}.${process.pid}.mjs`);
  const remove = (): void => {
    rmSync(beside, { force: true });
  };
  // A module may end the process.
  process.once("exit", remove);
  try {
    writeFileSync(beside, text, { flag: "wx" });
    return await importFile(beside);
  } catch (cause) {
    const at = thrownAt(cause, beside);
    throw at === null ? cause : unreadable(file, cause, originOf(map, at));
  } finally {
    process.off("exit", remove);
    remove();
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
  const source = readFileSync(file, "utf8");
  const result = ts.transpileModule(source, { compilerOptions, reportDiagnostics: true, fileName: file });
  const [wrong] = result.diagnostics ?? [];
  // What TypeScript can read in spite of an error may be something else than what was meant.
  if (wrong !== undefined) {
    const message = ts.flattenDiagnosticMessageText(wrong.messageText, " ");
    throw unreadable(file, message, wrong.start === undefined ? null : textPlace(source, wrong.start));
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

/** Only keys that hold something. */
type Checked = { readonly [K in keyof TfcConfig]: Exclude<TfcConfig[K], undefined> };

function checkConfig(value: unknown, file: string): Checked {
  if (!isPlain(value)) {
    throw inputError("CONFIG_INVALID", { file }, { wanted: "a plain object", found: jsonText(value) });
  }
  for (const [key, content] of Object.entries(value as Readonly<Record<string, unknown>>)) {
    const known = Object.hasOwn(keys, key) ? keys[key as keyof TfcConfig] : undefined;
    if (known === undefined) {
      const wanted = `keys among ${Object.keys(keys).join(", ")}`;
      throw inputError("CONFIG_INVALID", { file, name: key }, { wanted, found: key });
    }
    const [wanted, check] = known;
    if (!check(content)) {
      throw inputError("CONFIG_INVALID", { file, name: key }, { wanted, found: jsonText(content) });
    }
  }
  checkAdapters(value, file);
  return value;
}

/** Checks what says something of adapters by the options it stands for, and names the file and the key. */
function checkAdapters({ adapters, replace, residence, members, seed }: Checked, file: string): void {
  const { entries, ...options } = injectAdapters.options;
  const check = <T>(option: Option<T>, value: unknown, name: string): void => {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return;
    try {
      option.check(value, name);
    } catch (cause) {
      throw cause instanceof TfcError ? cause.in(file) : cause;
    }
  };
  check(entries, adapters, "adapters");
  check(replaceLinears.options.entries, replace, "replace");
  check(options.residence, residence, "residence");
  check(options.members, members, "members");
  check(options.seed, seed, "seed");
}

/** A list, a map or an object of a class has its content elsewhere, where nobody would look. */
function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function optionsOf({ adapters, load, ...rest }: Checked, file: string): ConfigOptions {
  const paths = load === undefined ? [] : typeof load === "string" ? [load] : load;
  return {
    ...rest,
    ...(adapters === undefined ? {} : { entries: adapters }),
    ...(load === undefined ? {} : { load: paths.map((path) => resolve(dirname(file), path)) }),
  };
}

/** The configuration of a folder, where it has one. */
export function configIn(folder: string): string | null {
  const names = ["tfc.config.ts", "tfc.config.mts", "tfc.config.js", "tfc.config.mjs", "tfc.config.json"];
  const found = names.map((name) => resolve(folder, name)).find((path) => existsSync(path));
  return found ?? null;
}
