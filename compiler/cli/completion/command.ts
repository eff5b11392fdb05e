import { Argument, Command } from "commander";
import { programFor } from "../commands.ts";
import { print } from "../streams.ts";
import { completionOf } from "./candidates.ts";
import { scripts, shells, type Shell } from "./scripts.ts";
import { wordsOfLine } from "./words-of-line.ts";

/** `tfc completion <shell>`: prints what the shell reads to complete tfc. */
export function completionCommand(): Command {
  return new Command("completion")
    .description("print the script by which a shell completes commands, flags, their values and paths")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .addHelpText(
      "after",
      [
        "",
        "bash: source <(tfc completion bash)      in ~/.bashrc",
        "zsh:  source <(tfc completion zsh)       in ~/.zshrc, behind compinit",
        "fish: tfc completion fish | source       in ~/.config/fish/config.fish",
      ].join("\n"),
    )
    .action((shell: Shell) => {
      print(scripts[shell]);
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
