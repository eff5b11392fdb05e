import { Option, type Command } from "commander";
import { adapterKinds, optionsOfKind } from "../adapters/index.ts";
import type { Option as KindOption } from "../pass/options.ts";
import type { Hints } from "../weights/read-adapter.ts";

/** Settings that some formats do not keep. The others follow from the shapes of the leaves. */
const hinted = ["norm", "tau", "alpha", "rslora"] as const;

/** Adds the flags that say what a file does not, as the adapter kinds describe them. */
export function withHints(command: Command): Command {
  for (const name of hinted) {
    const option = optionOf(name);
    if (option === undefined) continue;
    const value = option.placeholder === "" ? "" : ` <${option.placeholder}>`;
    command.addOption(new Option(`--${name}${value}`, `${option.help}, where the file does not say it`));
  }
  return command;
}

/** What was given. */
export function hintsOf(flags: Readonly<Record<string, unknown>>): Hints {
  return Object.fromEntries(
    hinted.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])),
  );
}

function optionOf(name: string): KindOption<unknown> | undefined {
  for (const kind of adapterKinds.values()) {
    const option = optionsOfKind(kind)[name];
    if (option !== undefined) return option;
  }
  return undefined;
}
