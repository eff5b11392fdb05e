import { Option, type Command } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { choice } from "../pass/options.ts";

/** A flag that takes one of some words. What it is given else is OPTION_UNKNOWN_VALUE, as in a configuration. */
export function wordFlag(flags: string, help: string, words: readonly string[]): Option {
  const option = new Option(flags, help).choices(words);
  const known = choice({ help, default: words[0] ?? "", of: words });
  return option.argParser((text) => known.check(text, option.long ?? flags));
}

const repeatable = new WeakSet<Option>();

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
