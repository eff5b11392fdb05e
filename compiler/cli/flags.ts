import { Argument, Option, type Command } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { choice } from "../pass/options.ts";

/** A flag that takes one of some words. What it is given else is OPTION_UNKNOWN_VALUE, as in a configuration. */
export function wordFlag(flags: string, help: string, words: readonly string[]): Option {
  const option = new Option(flags, help).choices(words);
  const known = choice({ help, default: words[0] ?? "", of: words });
  return option.argParser((text) => known.check(text, option.long ?? flags));
}

/** What shells offer behind a flag: words, or words that are listed with commas between them. */
export interface Offer {
  readonly words: readonly string[];
  readonly isList: boolean;
}

const offers = new WeakMap<Option | Argument, Offer>();

/** Has shells offer words behind flags whose values are checked elsewhere. @param flags words by a flag's long name */
export function offer(
  command: Command,
  flags: Readonly<Record<string, readonly string[]>>,
  isList = false,
): void {
  for (const [long, words] of Object.entries(flags)) {
    const option = command.options.find((one) => one.long === long);
    if (option !== undefined) offers.set(option, { words, isList });
  }
}

/** An argument in whose place shells offer words; it takes others, too. */
export function wordArgument(name: string, help: string, words: readonly string[]): Argument {
  const argument = new Argument(name, help);
  offers.set(argument, { words, isList: false });
  return argument;
}

/** What shells offer behind a flag, or as an argument; null where it takes no words that are known. */
export function offerOf(option: Option | Argument): Offer | null {
  if (option instanceof Argument) return offers.get(option) ?? wordsOf(option.argChoices);
  const words = option.argChoices ?? /[<[](\w[\w-]*(?:\|[\w-]+)+)[>\]]/.exec(option.flags)?.[1]?.split("|");
  return offers.get(option) ?? wordsOf(words);
}

function wordsOf(words: readonly string[] | undefined): Offer | null {
  return words === undefined ? null : { words, isList: false };
}

const repeatable = new WeakSet<Option>();

/** Whether a flag may be given several times. */
export function isRepeatable(option: Option): boolean {
  return repeatable.has(option);
}

/** A flag that may be given several times. @param add what it has been given so far, with one more */
export function repeatedFlag<T>(flags: string, help: string, add: (text: string, before: T) => T): Option {
  const option = new Option(flags, help).argParser(add);
  repeatable.add(option);
  return option;
}

/**
 * Has a command, and those in it, refuse a flag that is given two values: the last would silently win.
 *
 * @throws TfcError OPTION_REPEATED while the command line is read
 */
export function refuseRepeats(command: Command): Command {
  for (const option of command.options) {
    const takesValue = option.required || option.optional;
    if (!takesValue || repeatable.has(option)) continue;
    const values: string[] = [];
    command.on(`option:${option.name()}`, (value: string | null) => {
      values.push(value ?? "no value");
      if (values.length < 2) return;
      throw inputError("OPTION_REPEATED", {}, { option: option.long ?? option.name(), values });
    });
  }
  command.commands.forEach(refuseRepeats);
  return command;
}
