import { closeSync, openSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { injectAdapters, replaceLinears } from "../../passes/index.ts";
import type { CompileOptions } from "../compile/compile.ts";
import type { TfcConfig } from "./index.ts";
import { closest } from "../diagnostics/closest.ts";
import { inputError, TfcError } from "../diagnostics/error.ts";
import { halfNames, portNames } from "../compile/dtypes.ts";
import { weightModes } from "../compile/place-weights.ts";
import { isBlockSize, quantizations } from "../compile/quantize.ts";
import { opening, lookAt } from "../onnx/open-failure.ts";
import { failed, importModule, unreadable, messageOf } from "./module.ts";
import { jsonErrorPlace, thrownAt } from "./text-place.ts";
import { kvForms } from "../ops/kv.ts";
import { logitsForms } from "../ops/logits.ts";
import { providers } from "../ops/providers.ts";
import { blockSizes } from "../weights/nbits/settings.ts";
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
  | "dtype"
  | "ioDtype"
  | "quantize"
  | "block"
  | "symmetric"
  | "pack"
  | "kv"
  | "batch"
  | "unpadded"
  | "maxLength"
  | "lastLogits"
  | "decodeLoop"
  | "bindings"
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
    dtype: [halfNames.join(", "), (value) => halfNames.some((one) => one === value)],
    ioDtype: [portNames.join(", "), (value) => portNames.some((one) => one === value)],
    quantize: [quantizations.join(", "), (value) => quantizations.some((one) => one === value)],
    block: [blockSizes.join(", "), isBlockSize],
    symmetric: ["true or false", isSwitch],
    pack: ["true or false", isSwitch],
    kv: [kvForms.join(", "), (value) => kvForms.some((one) => one === value)],
    batch: ["a whole number", isCount],
    unpadded: ["true or false", isSwitch],
    maxLength: ["a whole number", isCount],
    lastLogits: [
      `true, false, ${logitsForms.join(", ")}`,
      (value) => isSwitch(value) || logitsForms.some((form) => form === value),
    ],
    decodeLoop: ["true or false", isSwitch],
    bindings: ["a path that ends in .ts", isText],
    lowerPagedAttention: ["true or false", isSwitch],
  };

/** The keys of a configuration. */
export const configKeys = Object.keys(keys);

/** What flags and the library call otherwise. */
const otherwiseCalled: ReadonlyMap<string, string> = new Map([
  ["logitRows", 'lastLogits: "rows"'],
  ["adapter", "adapters: [{ kind: … }]"],
  ["sites", "adapters: [{ kind: …, sites: … }]"],
  ["settings", "adapters: [{ kind: …, settings: … }]"],
  ["entries", "adapters"],
]);

/**
 * Reads a configuration: JSON, or a module of TypeScript or JavaScript whose default export it is. A module is code of
 * the user's own, and runs.
 *
 * @param isFresh whether the module is run again where it has been: it may have changed since
 * @throws TfcError FILE_NOT_FOUND; CONFIG_INVALID for what cannot be read, and for keys and values that are none
 */
export async function readConfig(
  file: string,
  { isFresh = false }: { readonly isFresh?: boolean } = {},
): Promise<ConfigOptions> {
  const stat = lookAt(file);
  if (stat === null) throw inputError("FILE_NOT_FOUND", { file }, { file });
  if (stat.isDirectory()) {
    const fix = "give the file itself, such as tfc.config.ts in this folder";
    throw inputError("FILE_NOT_FOUND", { file }, { file, found: "a folder", fix });
  }
  // A pipe can be opened once.
  if (stat.isFile()) closeSync(opening(file, () => openSync(file, "r")));
  try {
    const value: unknown = file.endsWith(".json") ? readJson(file) : await importModule(file, isFresh);
    // Within the same care: what a module exports may run code when it is read, too.
    return optionsOf(checkConfig(value, file), file);
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    throw failed(file, cause, thrownAt(cause, resolve(file)));
  }
}

/**
 * Options of a configuration that is no file.
 *
 * @param file what messages call it, from whose folder its paths count
 * @throws TfcError CONFIG_INVALID
 */
export function configOf(value: unknown, file: string): ConfigOptions {
  return optionsOf(checkConfig(value, file), file);
}

/** @throws TfcError CONFIG_INVALID */
function readJson(file: string): unknown {
  const text = opening(file, () => readFileSync(file, "utf8"));
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(file, "JSON", cause, jsonErrorPlace(text, messageOf(cause)));
  }
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
      const wanted = `keys among ${configKeys.join(", ")}`;
      const meant = otherwiseCalled.get(key) ?? closest(key, configKeys);
      const hint = meant === null ? {} : { meant };
      throw inputError("CONFIG_INVALID", { file, name: key }, { wanted, found: key, ...hint });
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

function optionsOf({ adapters, load, bindings, ...rest }: Checked, file: string): ConfigOptions {
  const paths = load === undefined ? [] : typeof load === "string" ? [load] : load;
  return {
    ...rest,
    ...(adapters === undefined ? {} : { entries: adapters }),
    ...(bindings === undefined ? {} : { bindings: resolve(dirname(file), bindings) }),
    ...(load === undefined ? {} : { load: paths.map((path) => resolve(dirname(file), path)) }),
  };
}
