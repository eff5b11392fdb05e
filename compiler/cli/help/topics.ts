import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { passes } from "../../../passes/index.ts";
import { packageFolder } from "../../../runtime/threads/start.ts";
import { freshAdapters, optionsOfKind } from "../../adapters/index.ts";
import { valueText, type Option, type Schema } from "../../pass/options.ts";
import { codeTexts, type CodeText } from "../../diagnostics/code-texts.ts";

import { passFlags } from "./pass-flags.ts";

/** An option, as help shows it. */
export interface OptionHelp {
  readonly name: string;
  readonly help: string;
  /** The flags of `tfc compile` that set it; null where none does, and of a kind. */
  readonly flags: string | null;
  /** null where only code can give it. */
  readonly default: string | null;
}

/** What help says of a pass. */
export interface PassHelp {
  readonly pass: string;
  readonly summary: string;
  /** How many passes may run before it. */
  readonly place: number;
  readonly of: number;
  readonly requires: readonly string[];
  readonly options: readonly OptionHelp[];
  readonly counters: readonly string[];
  /** Its page, in Markdown; null where docs/ is not installed. */
  readonly page: string | null;
}

/** What help says of an adapter kind. */
export interface KindHelp {
  readonly kind: string;
  readonly summary: string;
  readonly sites: readonly string[];
  readonly leaves: readonly string[];
  readonly options: readonly OptionHelp[];
  /** Its page, in Markdown; null where docs/ is not installed. */
  readonly page: string | null;
}

/** Names of passes, of adapter kinds and of messages. */
export const topics: {
  readonly passes: readonly string[];
  readonly kinds: readonly string[];
  readonly codes: readonly string[];
} = {
  passes: passes.map(({ name }) => name),
  kinds: [...freshAdapters.keys()],
  codes: codeTexts().map(({ code }) => code),
};

/** null where there is no pass of that name. */
export function passHelp(name: string): PassHelp | null {
  const place = passes.findIndex((pass) => pass.name === name);
  const pass = passes[place];
  if (pass === undefined) return null;
  return {
    ...{ pass: name, summary: pass.summary, place: place + 1, of: passes.length },
    requires: pass.requires.map((one) => one.name),
    options: optionsHelp(pass.options, passFlags[name]),
    counters: pass.stats,
    page: pageOf(`passes/${name}.md`),
  };
}

/** null where there is no kind of that name. */
export function kindHelp(name: string): KindHelp | null {
  const found = freshAdapters.get(name);
  if (found === undefined) return null;
  const { kind, summary } = found;
  return {
    ...{ kind: name, summary, sites: kind.defaultSites },
    leaves: [...kind.leafNames, ...(kind.optionalLeaves ?? [])],
    options: optionsHelp(optionsOfKind(kind)),
    page: pageOf(`kinds/${name}.md`),
  };
}

/** null where there is no message of that code, in capitals or not. */
export function codeHelp(code: string): CodeText | null {
  return codeTexts().find((one) => one.code === code.toUpperCase()) ?? null;
}

function optionsHelp(
  options: Schema<object>,
  flags: Readonly<Record<string, string>> = {},
): readonly OptionHelp[] {
  const all: readonly (readonly [string, Option<unknown>])[] = Object.entries(options);
  return all.map(([name, option]) => ({
    ...{ name, help: option.help, flags: flags[name] ?? null },
    default: typeof option.default === "object" ? null : valueText(option.default),
  }));
}

function pageOf(name: string): string | null {
  const file = path.join(packageFolder(), "docs", name);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}
