import { Command } from "commander";
import { closest } from "../../diagnostics/closest.ts";
import { inputError } from "../../diagnostics/error.ts";
import type { CodeText } from "../../diagnostics/code-texts.ts";
import { commandNames, programFor } from "../commands.ts";
import { inResult } from "../colours.ts";
import { wordArgument } from "../flags.ts";
import { printResult, rows } from "../output.ts";
import { print } from "../streams.ts";
import { roomOf } from "../terminal-line.ts";
import { markdownText, wrapped } from "./markdown.ts";
import {
  codeHelp,
  kindHelp,
  passHelp,
  topics,
  type KindHelp,
  type OptionHelp,
  type PassHelp,
} from "./topics.ts";

interface Flags {
  readonly json: boolean;
}

/** `tfc help [topic]`: what a command, a pass, an adapter kind or a message is. */
export function helpCommand(): Command {
  const words = [...commandNames, ...topics.passes, ...topics.kinds, ...topics.codes];
  return new Command("help")
    .description("explain a command, a pass, an adapter kind, or the code of a message")
    .addArgument(
      wordArgument("[topic...]", "its name, such as compile, outline-mlp, lora or SITE_EMPTY", words),
    )
    .option("--json", "print one JSON object", false)
    .action(async (topic: readonly string[], { json }: Flags) => {
      const [name] = topic;
      if (name === undefined) await listTopics(json);
      else await explain(name, topic, json);
    });
}

async function listTopics(json: boolean): Promise<void> {
  const { passes, kinds, codes } = topics;
  if (json) {
    printResult(true, { commands: commandNames, passes, kinds, codes }, () => "");
    return;
  }
  print((await programFor()).helpInformation());
  const width = widthOf();
  const list = (title: string, names: readonly string[]): string =>
    `\n${inResult(`${title}:`, "bold")}\n  ${wrapped(names.join(" "), width - 2).replaceAll("\n", "\n  ")}\n`;
  print(list("Passes", passes));
  print(list("Adapter kinds", kinds));
  print(
    `\n${wrapped("tfc help NAME explains each of them, and the code of any message, such as SITE_EMPTY.", width)}\n`,
  );
}

/** @throws TfcError USAGE for what is no topic */
async function explain(name: string, topic: readonly string[], json: boolean): Promise<void> {
  const pass = passHelp(name);
  const kind = kindHelp(name);
  const code = codeHelp(name);
  if (commandNames.includes(name)) await explainCommand(topic, json);
  else if (pass !== null) printResult(json, pass, () => passText(pass));
  else if (kind !== null) printResult(json, kind, () => kindText(kind));
  else if (code !== null) printResult(json, code, () => codeText(code));
  else {
    const known = [...commandNames, ...topics.passes, ...topics.kinds, ...topics.codes];
    const meant = closest(name, known);
    const usage = {
      what: `there is no command, pass, adapter kind or message ${JSON.stringify(name)}`,
      command: "help",
    };
    throw inputError("USAGE", {}, meant === null ? usage : { ...usage, meant: `tfc help ${meant}` });
  }
}

/** @param words of a command, and of one in it: `adapter ls` */
async function explainCommand(words: readonly string[], json: boolean): Promise<void> {
  let command = await programFor(words[0]);
  for (const word of words) {
    const inner: Command | undefined = command.commands.find((one) => one.name() === word);
    if (inner === undefined) {
      const known = command.commands.map((one) => one.name());
      const what = `tfc ${words[0] ?? ""} has no command "${word}"`;
      const meant = closest(word, known);
      const usage = { what, command: words[0] ?? "help" };
      throw inputError("USAGE", {}, meant === null ? usage : { ...usage, meant });
    }
    command = inner;
  }
  const help = command.createHelp();
  printResult(
    json,
    {
      command: words.join(" "),
      description: command.description(),
      usage: help.commandUsage(command),
      options: help.visibleOptions(command).map((one) => ({ flags: one.flags, help: one.description })),
      commands: help.visibleCommands(command).map((one) => one.name()),
    },
    () => command.helpInformation().trimEnd(),
  );
}

function passText({ pass, summary, place, of, requires, options, counters, page }: PassHelp): string {
  const head = rows([
    ["pass", pass],
    ["does", summary],
    [
      "runs",
      `as ${place} of ${of}, where a compilation needs it; tfc compile --dump-after ${pass} prints the graph behind it`,
    ],
    ["requires", requires.length === 0 ? "nothing" : requires.map((one) => `the model is ${one}`).join("\n")],
    ["options", optionsText(options)],
    ["counters", counters.length === 0 ? "none" : counters.join(", ")],
  ]);
  return withPage(head, page);
}

/** @param page whose title is the name */
function withPage(head: string, page: string | null): string {
  return page === null ? head : `${head}\n\n${markdownText(page.replace(/^# .*\n/, ""), widthOf())}`;
}

function kindText({ kind, summary, sites, leaves, options, page }: KindHelp): string {
  const head = rows([
    ["kind", kind],
    ["is", summary],
    ["sites", `${sites.join(", ")}, where none are asked for`],
    ["weights", leaves.join("\n")],
    ["settings", optionsText(options)],
  ]);
  return withPage(head, page);
}

function codeText({ code, severity, what, wanted, found, fix }: CodeText): string {
  const isTemplate = [what, wanted, found, fix].some((text) => text?.includes("{") === true);
  const entries: (readonly [string, string | undefined])[] = [
    ["code", code],
    ["severity", severity],
    ["says", what],
    ["wanted", wanted],
    ["found", found],
    ["fix", fix],
    ["", isTemplate ? "in <> is what each message names of its own case" : undefined],
  ];
  return rows(
    entries.flatMap(([label, text]) =>
      text === undefined
        ? []
        : [
            [
              label,
              wrapped(text.replaceAll("`", "").replaceAll(/\{(\w+)\}/g, "<$1>"), widthOf() - 10),
            ] as const,
          ],
    ),
  );
}

function optionsText(options: readonly OptionHelp[]): string {
  if (options.length === 0) return "none";
  return options
    .map(({ name, flags, help, default: value }) =>
      // What a flag is by default its command says: a pass may be left out without it.
      flags === null
        ? `${name}  ${help}${value === null ? "" : ` (default: ${value})`}`
        : `${flags}  ${help}`,
    )
    .join("\n");
}

/** Cells for prose: lines that are longer are hard to read. */
function widthOf(): number {
  return Math.min(100, roomOf(process.stdout));
}
