import { Command } from "commander";
import { closest } from "../diagnostics/closest.ts";
import { inputError } from "../diagnostics/error.ts";
import { exportCommand, importCommand } from "./adapter-convert.ts";
import { diffCommand } from "./adapter-diff.ts";
import { extractCommand } from "./adapter-extract.ts";
import { lsCommand } from "./adapter-ls.ts";
import { withStreams } from "./streams.ts";

/** What other tools call these commands. */
const otherNames: Readonly<Record<string, string | undefined>> = {
  list: "ls",
  show: "ls",
  info: "ls",
  inspect: "ls",
};

/** `tfc adapter <command>`: adapters in files, in every format. */
export function adapterCommand(): Command {
  // What main.ts sets on this command comes after the commands below have copied it.
  const command = withStreams(new Command("adapter"))
    .description("list, convert and compare adapters in files, and take LoRA out of a graph")
    .usage("<command> [options]")
    // Without a command of its own that it knows, it would print its help as an error without words; of a word that is
    // none, what stands behind it is not what is wrong.
    .allowExcessArguments()
    .allowUnknownOption()
    .action((_flags: object, { args, commands }: Command) => {
      const names = commands.map((one) => one.name());
      const [word] = args;
      if (word?.startsWith("-") === true)
        throw inputError("USAGE", {}, { what: `unknown option '${word}'`, command: "adapter" });
      const what =
        word === undefined ? "tfc adapter needs a command" : `tfc adapter has no command "${word}"`;
      const meant = word === undefined ? null : (otherNames[word] ?? closest(word, names));
      const usage = { what: `${what}: ${names.join(", ")}`, command: "adapter" };
      throw inputError("USAGE", {}, meant === null ? usage : { ...usage, meant });
    });
  for (const one of [lsCommand(), importCommand(), exportCommand(), extractCommand(), diffCommand()]) {
    command.addCommand(one.copyInheritedSettings(command));
  }
  return command;
}
