import { existsSync, readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { inputError, internalError, TfcError } from "../diagnostics/error.ts";
import { refuseRepeats } from "./flags.ts";
import { beginDiagnostics, errorObject, jsonText, printDiagnostics } from "./output.ts";
import { checkOutputPath } from "./output-path.ts";
import { isPrinted, print, say, settled, watchStreams, withStreams } from "./streams.ts";
import { spokenText } from "../config/wording.ts";

/** The commands, each loaded when it is asked for: what one needs is no part of another's start-up time. */
const commands: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["compile", async () => (await import("./compile.ts")).compileCommand()],
  ["inspect", async () => (await import("./inspect.ts")).inspectCommand()],
  ["explain", async () => (await import("./explain.ts")).explainCommand()],
  ["dump", async () => (await import("./dump.ts")).dumpCommand()],
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
]);

/**
 * Runs the command line. An error is told on stderr; with --json, where no result was printed before it, one object
 * that describes it goes to stdout.
 *
 * @param args without `node` and the script
 * @returns the exit status: 0, 1 for what the user can repair, 70 for a bug of tfc
 */
export async function main(args: readonly string[]): Promise<number> {
  watchStreams();
  beginDiagnostics();
  return settled(await run(args));
}

async function run(args: readonly string[]): Promise<number> {
  const program = new Command("tfc")
    .description("a compiler for ONNX decoder graphs: puts Tokenformer adapters into Llama-family models")
    .version(version())
    // Behind a command, --version is that command's.
    .enablePositionalOptions()
    .showHelpAfterError(false);
  const asked = commands.get(args[0] ?? "");
  // Help, and errors about a command that does not exist, know them all.
  for (const load of asked === undefined ? commands.values() : [asked]) {
    program.addCommand(refuseRepeats(withStreams(await load())));
  }
  withStreams(program).hook("preAction", (_, command) => {
    checkOutputPath(command.opts());
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error, args);
    if (error.exitCode === 0) return 0;
    if (args.length > 0) return report(usage(error, asked === undefined ? null : args[0]), args);
    say(program.helpInformation());
    return 1;
  }
}

/** @param command the one that was asked for, where there is one of that name */
function usage(error: CommanderError, command: string | null = null): TfcError {
  const what = error.message.replace(/^error: /, "");
  return inputError("USAGE", {}, command === null ? { what } : { what, command });
}

function report(error: unknown, args: readonly string[]): number {
  const known =
    error instanceof TfcError
      ? error
      : internalError({}, error instanceof Error ? error.message : String(error), error);
  printDiagnostics(known.warnings);
  say(`${known.diagnostics.map(spokenText).join("\n")}\n`);
  if (known.kind === "internal" && error instanceof Error) say(`${error.stack ?? ""}\n`);
  if (asksForJson(args) && !isPrinted()) print(`${jsonText(errorObject(known))}\n`);
  return known.exitCode;
}

/** Asked of the words themselves: they may be what is wrong, and commander has not understood them then. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}

/** The version of the package, whose root is one folder higher from dist than from the sources. */
function version(): string {
  const files = ["../../package.json", "../../../package.json"].map((path) => new URL(path, import.meta.url));
  const file = files.find((url) => existsSync(url));
  if (file === undefined) return "unknown";
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
