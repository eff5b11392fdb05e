import { basename } from "node:path";
import type { CompileOptions } from "../compile/options.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { TfcError } from "../diagnostics/error.ts";
import type { ConfigOptions } from "./read.ts";

/**
 * The options that a configuration gave and no flag: what is wrong with them is said in its words, since nobody typed
 * them as flags.
 *
 * @param options what is compiled with
 */
export function givenBy(
  config: ConfigOptions,
  options: CompileOptions,
  flags: Readonly<Record<string, unknown>>,
): ReadonlySet<string> {
  const flagOf = (name: string): unknown =>
    name === "residence" && flags["adapters"] !== false ? flags["adapters"] : flags[name];
  return new Set(
    (Object.keys(config) as (keyof ConfigOptions)[]).filter(
      (name) => config[name] !== undefined && options[name] === config[name] && flagOf(name) === undefined,
    ),
  );
}

/** What the library calls otherwise than a configuration does. */
const keys: ReadonlyMap<string, string> = new Map([["entries", "adapters"]]);

/** An error of the library about options, some of which a configuration gave. */
export function inConfigWords(error: unknown, file: string, given: ReadonlySet<string>): unknown {
  if (!(error instanceof TfcError) || !error.code.startsWith("OPTION_") || given.size === 0) return error;
  const named = (text: string): string =>
    text.replace(/`(\w+)(: [^`]*)?`/g, (whole, name: string, value = "") =>
      given.has(name) ? `${keys.get(name) ?? name}${String(value)} in ${basename(file)}` : whole,
    );
  const diagnostics = error.diagnostics.map((d): Diagnostic => ({
    ...d,
    what: named(d.what),
    ...(d.wanted === undefined ? {} : { wanted: named(d.wanted) }),
    ...(d.fix === undefined ? {} : { fix: named(d.fix) }),
  }));
  return new TfcError(error.kind, diagnostics, { cause: error }).after(error.warnings);
}
