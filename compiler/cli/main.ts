import { existsSync, readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { inputError, internalError, TfcError } from "../diagnostics/error.ts";

/** The commands, each loaded when it is asked for: what one needs is no part of another's start-up time. */
const commands: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["compile", async () => (await import("./compile.ts")).compileCommand()],
  ["inspect", async () => (await import("./inspect.ts")).inspectCommand()],
  ["explain", async () => (await import("./explain.ts")).explainCommand()],
  ["dump", async () => (await import("./dump.ts")).dumpCommand()],
  ["grow", async () => (await import("./grow.ts")).growCommand()],
  ["shrink", async () => (await import("./shrink.ts")).shrinkCommand()],
  ["verify", async () => (await import("./verify.ts")).verifyCommand()],
  ["adapter", async () => (await import("./adapter.ts")).adapterCommand()],
]);

/**
 * Runs the command line.
 *
 * @param args without `node` and the script
 * @returns the exit status: 0, 1 for what the user can repair, 70 for a bug of tfc
 */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command("tfc")
    .description("a compiler for ONNX decoder graphs: puts Tokenformer adapters into Llama-family models")
    .version(version())
    .showHelpAfterError(false);
  const asked = commands.get(args[0] ?? "");
  // Help, and errors about a command that does not exist, know them all.
  for (const load of asked === undefined ? commands.values() : [asked]) {
    program.addCommand((await load()).exitOverride().configureOutput({ writeErr: () => undefined }));
  }
  program.exitOverride().configureOutput({ writeErr: () => undefined });
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    return report(error, args.length === 0 ? program.helpInformation() : null);
  }
}

function report(error: unknown, help: string | null): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    if (help !== null) {
      process.stderr.write(help);
      return 1;
    }
    return report(inputError("USAGE", {}, { what: error.message.replace(/^error: /, "") }), null);
  }
  const known =
    error instanceof TfcError
      ? error
      : internalError({}, error instanceof Error ? error.message : String(error), error);
  process.stderr.write(`${known.message}\n`);
  if (known.kind === "internal" && error instanceof Error) process.stderr.write(`${error.stack ?? ""}\n`);
  return known.exitCode;
}

/** The version of the package, whose root is one folder higher from dist than from the sources. */
function version(): string {
  const files = ["../../package.json", "../../../package.json"].map((path) => new URL(path, import.meta.url));
  const file = files.find((url) => existsSync(url));
  if (file === undefined) return "unknown";
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
