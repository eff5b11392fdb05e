import { readFileSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { packageFolder } from "../../runtime/threads/start.ts";
import { refuseRepeats } from "./flags.ts";
import { withStreams } from "./streams.ts";

/** The commands, each loaded when it is asked for: what one needs is no part of another's start-up time. */
const commands: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["compile", async () => (await import("./compile.ts")).compileCommand()],
  ["inspect", async () => (await import("./inspect.ts")).inspectCommand()],
  ["explain", async () => (await import("./explain.ts")).explainCommand()],
  ["dump", async () => (await import("./dump.ts")).dumpCommand()],
  ["report", async () => (await import("./report.ts")).reportCommand()],
  ["grow", async () => (await import("./grow.ts")).growCommand()],
  ["shrink", async () => (await import("./shrink.ts")).shrinkCommand()],
  ["verify", async () => (await import("./verify.ts")).verifyCommand()],
  ["package", async () => (await import("./package.ts")).packageCommand()],
  ["merge", async () => (await import("./merge.ts")).mergeCommand()],
  ["train", async () => (await import("./train.ts")).trainCommand()],
  ["generate", async () => (await import("./generate.ts")).generateCommand()],
  ["serve", async () => (await import("./serve.ts")).serveCommand()],
  ["bench", async () => (await import("./bench.ts")).benchCommand()],
  ["doctor", async () => (await import("./doctor.ts")).doctorCommand()],
  ["adapter", async () => (await import("./adapter.ts")).adapterCommand()],
  ["completion", async () => (await import("./completion/command.ts")).completionCommand()],
  ["help", async () => (await import("./help/command.ts")).helpCommand()],
]);

/** The names of all commands. */
export const commandNames: readonly string[] = [...commands.keys()];

/**
 * The command line, ready to parse.
 *
 * @param name of the command that is asked for; where there is none of that name, all are loaded: help, and errors
 *   about a command that does not exist, know them all
 */
export async function programFor(name?: string): Promise<Command> {
  const program = new Command("tfc")
    .description("a compiler for ONNX decoder graphs: puts Tokenformer adapters into Llama-family models")
    .version(version())
    // Behind a command, --version is that command's.
    .enablePositionalOptions()
    .showHelpAfterError(false)
    .helpCommand(false);
  const asked = commands.get(name ?? "");
  for (const load of asked === undefined ? commands.values() : [asked])
    program.addCommand(refuseRepeats(withQuiet(withStreams(await load()))));
  return withStreams(program);
}

/** Gives each command that does something the flag that all have. */
function withQuiet(command: Command): Command {
  if (command.commands.length > 0) command.commands.forEach(withQuiet);
  else if (!command.options.some(({ long }) => long === "--quiet"))
    command.option("--quiet", "print results and errors only: no progress, no warnings, no notes", false);
  return command;
}

function version(): string {
  const file = path.join(packageFolder(), "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
