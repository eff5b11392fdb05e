import path from "node:path";
import { CommanderError, type Command, type Option } from "commander";
import { closest } from "../diagnostics/closest.ts";
import { inputError, internalError, TfcError } from "../diagnostics/error.ts";
import { programFor } from "./commands.ts";
import { beginDiagnostics, errorObject, jsonText, printDiagnostics, shownText } from "./output.ts";
import { checkOutputPath } from "./output-path.ts";
import { beginProgress, beginQuiet, endProgress } from "./progress.ts";
import { isPrinted, print, say, settled, watchStreams } from "./streams.ts";
import { roomOf } from "./terminal-line.ts";
import { speakAs } from "../config/wording.ts";

/** The word in place of a command by which shells ask what could be typed. */
const COMPLETE = "__complete";

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
  beginQuiet(false);
  const status = args[0] === COMPLETE ? await complete(args.slice(1)) : await run(args);
  endProgress();
  return settled(status);
}

async function complete(args: readonly string[]): Promise<number> {
  const { completion } = await import("./completion/command.ts");
  print(await completion(args));
  return 0;
}

async function run(args: readonly string[]): Promise<number> {
  const program = await programFor(args[0]);
  program.hook("preAction", (_, command) => {
    begin(command);
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error, args);
    if (error.exitCode === 0) return 0;
    if (args.length > 0) return report(usage(error, program, args), args);
    say(program.helpInformation());
    return 1;
  }
}

/** What holds of every command. */
function begin(command: Command): void {
  // All commands have it, and none is to know: some hand their flags on as options of the library.
  beginQuiet(command.opts()["quiet"] === true);
  Reflect.deleteProperty(command.opts(), "quiet");
  speakAs(typed(command), flagsByOption(command));
  checkOutputPath(command.opts());
  const [subject = ""] = command.args;
  beginProgress(`${command.name()} ${path.basename(subject)}`.trimEnd(), roomOf(process.stderr));
}

/** How a command is typed behind `tfc`: `adapter ls`. */
function typed(command: Command): string {
  return command.parent === null ? "" : `${typed(command.parent)} ${command.name()}`.trimStart();
}

function flagsByOption({ options }: Command): ReadonlyMap<string, string> {
  const flags = options.filter(({ negate, long }) => !negate && long !== undefined);
  return new Map(flags.map((option) => [option.attributeName(), option.long ?? ""]));
}

/** What commander says of words that it does not understand. */
function usage(error: CommanderError, program: Command, args: readonly string[]): TfcError {
  const [what = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  const path = pathOf(program, args);
  if (error.code === "commander.missingMandatoryOptionValue") {
    const unknown = unknownFlag(program, args);
    // Commander tells first what is missing, also where it is there, misspelt.
    if (unknown !== null) return unknown;
  }
  const swallowed = flagAsValue(program, args);
  if (swallowed !== null) return swallowed;
  // It suggests in a line of its own, in parentheses.
  const [, meant] = /^\(Did you mean (.*)\?\)$/.exec(suggestion) ?? [];
  return inputError(
    "USAGE",
    {},
    { what, ...(path === "" ? {} : { command: path }), ...(meant === undefined ? {} : { meant }) },
  );
}

/** An error about a flag that looks like one that the command has; null where all are known, or nothing alike. */
function unknownFlag(program: Command, args: readonly string[]): TfcError | null {
  const path = pathOf(program, args);
  const command = commandAt(program, args);
  const flags = command.options.flatMap(({ long, short }) => [long ?? "", short ?? ""]);
  const end = args.indexOf("--");
  for (const word of end < 0 ? args : args.slice(0, end)) {
    const [flag = ""] = word.split("=");
    if (!/^--[a-z]/.test(flag) || flags.includes(flag)) continue;
    const meant = closest(flag, flags);
    if (meant !== null)
      return inputError("USAGE", {}, { what: `unknown option '${flag}'`, command: path, meant });
  }
  return null;
}

/** An error about a flag without its value, which took the flag behind it for that; null where none has. */
function flagAsValue(program: Command, args: readonly string[]): TfcError | null {
  const { options } = commandAt(program, args);
  const named = (word: string): Option | undefined =>
    options.find(({ long, short }) => word === long || word === short);
  const end = args.indexOf("--");
  const words = end < 0 ? args : args.slice(0, end);
  for (let i = 0; i < words.length; i++) {
    const option = named(words[i] ?? "");
    if (option?.required !== true) continue;
    const [value = ""] = (words[++i] ?? "").split("=");
    if (named(value) === undefined) continue;
    const what = `option '${option.flags}' argument missing: '${value}' behind it is an option of its own`;
    return inputError("USAGE", {}, { what, command: pathOf(program, args) });
  }
  return null;
}

function commandAt(command: Command, [word = "", ...rest]: readonly string[]): Command {
  const inner = command.commands.find((one) => one.name() === word);
  return inner === undefined ? command : commandAt(inner, rest);
}

/** The command that words begin with, as it is typed: `adapter ls`. */
function pathOf(command: Command, [word = "", ...rest]: readonly string[]): string {
  const inner = command.commands.find((one) => one.name() === word);
  return inner === undefined ? "" : `${word} ${pathOf(inner, rest)}`.trimEnd();
}

function report(error: unknown, args: readonly string[]): number {
  const known =
    error instanceof TfcError
      ? error
      : internalError({}, error instanceof Error ? error.message : String(error), error);
  printDiagnostics(known.warnings);
  say(`${known.diagnostics.map(shownText).join("\n")}\n`);
  if (known.kind === "internal" && error instanceof Error) say(`${error.stack ?? ""}\n`);
  if (asksForJson(args) && !isPrinted()) print(`${jsonText(errorObject(known))}\n`);
  return known.exitCode;
}

/** Asked of the words themselves: they may be what is wrong, and commander has not understood them then. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}
