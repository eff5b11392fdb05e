import type { Command, Option } from "commander";
import { isRepeatable, offerOf, type Offer } from "../flags.ts";

/** One word that could stand where the cursor is. */
export interface Candidate {
  /** All of the word, with what has been typed of it. */
  readonly word: string;
  readonly about: string;
}

/** What could stand where the cursor is. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Paths that the shell itself completes; behind `--flag=`, only what follows the sign. */
  readonly paths: "files" | "folders" | "none";
  /** Whether the word may go on behind a candidate, as a list does. */
  readonly goesOn: boolean;
}

const NOTHING: Completion = { candidates: [], paths: "none", goesOn: false };

/**
 * What could be typed next.
 *
 * @param words those behind `tfc`, of which the last is the one that is being typed, and may be empty
 */
export function completionOf(program: Command, words: readonly string[]): Completion {
  const typed = words.at(-1) ?? "";
  const { command, pending, given, isOver, count } = read(program, words.slice(0, -1));
  if (pending !== null) return valuesOf(pending, typed, "");
  if (!isOver && typed.startsWith("-")) {
    const [flag, value] = split(typed);
    const option = value === null ? null : optionOf(command, flag);
    if (option !== null && value !== null) return valuesOf(option, value, `${flag}=`);
    return { ...NOTHING, candidates: flagsOf(command, given).filter(({ word }) => word.startsWith(typed)) };
  }
  if (count === 0 && command.commands.length > 0) {
    const inner = command.createHelp().visibleCommands(command);
    const all = inner.map((one) => ({ word: one.name(), about: one.description() }));
    return { ...NOTHING, candidates: all.filter(({ word }) => word.startsWith(typed)) };
  }
  return argumentOf(command, count, typed);
}

interface Read {
  readonly command: Command;
  /** The flag whose value comes next. */
  readonly pending: Option | null;
  readonly given: ReadonlySet<Option>;
  /** Whether a `--` ended the flags. */
  readonly isOver: boolean;
  /** Arguments so far that are no flags. */
  readonly count: number;
}

function read(program: Command, words: readonly string[]): Read {
  let command = program;
  let pending: Option | null = null;
  let [isOver, count] = [false, 0];
  const given = new Set<Option>();
  for (const word of words) {
    if (pending !== null && (pending.required || !word.startsWith("-"))) {
      // A flag that takes several values goes on until the next flag.
      if (!pending.variadic || word.startsWith("-")) pending = null;
      if (!word.startsWith("-")) continue;
    }
    pending = null;
    if (!isOver && word === "--") isOver = true;
    else if (!isOver && word.startsWith("-")) {
      const [flag, value] = split(word);
      const option = optionOf(command, flag);
      if (option === null) continue;
      given.add(option);
      if (value === null && (option.required || option.optional)) pending = option;
    } else {
      const inner = count === 0 ? command.commands.find((one) => one.name() === word) : undefined;
      if (inner === undefined) count++;
      else command = inner;
    }
  }
  return { command, pending, given, isOver, count };
}

/** `--kv=shared` in two; null where there is no sign. */
function split(word: string): readonly [flag: string, value: string | null] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at < 0 ? [word, null] : [word.slice(0, at), word.slice(at + 1)];
}

function optionOf(command: Command, flag: string): Option | null {
  return command.options.find(({ long, short }) => long === flag || short === flag) ?? null;
}

/** Flags that may still be given. */
function flagsOf(command: Command, given: ReadonlySet<Option>): readonly Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => option.variadic || isRepeatable(option) || !given.has(option))
    .flatMap(({ long, short, description }) => [{ word: long ?? short ?? "", about: description }]);
}

/** @param prefix what stands before the value in the same word */
function valuesOf(option: Option, typed: string, prefix: string): Completion {
  const offered = offerOf(option);
  if (offered !== null) return wordsOf(offered, typed, prefix);
  return { ...NOTHING, paths: pathsOf(option.flags) };
}

/** Paths, by what a flag or an argument calls its value. */
function pathsOf(name: string): Completion["paths"] {
  if (/\b(?:dir|folder)\b/.test(name)) return "folders";
  return /\b(?:file|path|model|base|compiled|adapter|a|b|run)\b(?:\.\.\.)?[>\]]/.test(name)
    ? "files"
    : "none";
}

/** Of a list only the word behind its last comma is completed; words that it has are not offered again. */
function wordsOf({ words, isList }: Offer, typed: string, prefix: string): Completion {
  const at = isList ? typed.lastIndexOf(",") + 1 : 0;
  const [before, last] = [typed.slice(0, at), typed.slice(at)];
  const has = new Set(before.split(",").map((word) => word.split("@")[0] ?? ""));
  const candidates = words
    .filter((word) => word.startsWith(last) && !has.has(word))
    .map((word) => ({ word: `${prefix}${before}${word}`, about: "" }));
  return { candidates, paths: "none", goesOn: isList };
}

/** The argument that comes next. */
function argumentOf(command: Command, count: number, typed: string): Completion {
  const all = command.registeredArguments;
  const argument = all[count] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined);
  if (argument === undefined) return NOTHING;
  const offered = offerOf(argument);
  if (offered !== null) return wordsOf(offered, typed, "");
  return { ...NOTHING, paths: pathsOf(`<${argument.name()}>`) };
}
