import { Argument, Command } from "commander";
import { programFor } from "../commands.ts";
import { printResult } from "../output.ts";
import { print } from "../streams.ts";
import { completionOf } from "./candidates.ts";
import { scripts, shells, startup, type Shell } from "./scripts.ts";
import { wordsOfLine } from "./words-of-line.ts";

interface Flags {
  readonly json: boolean;
}

/** `tfc completion <shell>`: prints what the shell reads to complete tfc. */
export function completionCommand(): Command {
  return new Command("completion")
    .description("print the script by which a shell completes commands, flags, their values and paths")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .option(
      "--json",
      "print one JSON object: the script, and the line that reads it with the file it belongs in",
      false,
    )
    .addHelpText(
      "after",
      shells
        .map((shell) => {
          const { line, file, place } = startup[shell];
          return `\n${`${shell}:`.padEnd(6)}${line.padEnd(35)}in ${file}${place === null ? "" : `, ${place}`}`;
        })
        .join(""),
    )
    .action((shell: Shell, { json }: Flags) => {
      const { line, file } = startup[shell];
      if (json) printResult(true, { shell, line, file, script: scripts[shell] }, () => "");
      else print(scripts[shell]);
    });
}

/**
 * What could be typed next, as the scripts read it: a line for each candidate, its word and what it is; and a last one
 * of `files`, `folders` or `none`, `more` where the word goes on, and the word that is being typed.
 *
 * @param args the words behind `tfc`, or `--line` and the whole line as far as the cursor
 */
export async function completion(args: readonly string[]): Promise<string> {
  const words = args[0] === "--line" ? wordsOfLine(args[1] ?? "").slice(1) : args;
  const program = await programFor(words.length > 1 ? words[0] : undefined);
  const { candidates, paths, goesOn } = completionOf(program, words);
  const lines = candidates.map(({ word, about }) => `${word}\t${about.replace(/\s+/g, " ")}`);
  return [...lines, `${paths}\t${goesOn ? "more" : "end"}\t${words.at(-1) ?? ""}`, ""].join("\n");
}
