import { Command } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { diagnostic } from "../diagnostics/diagnostic.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { printAnswer } from "./answer.ts";
import { repeatedFlag, wordFlag } from "./flags.ts";
import { namedPath, numberOf, stopText, type NamedPaths } from "./generate-flags.ts";
import { endInterrupted } from "./interrupt.ts";
import { printDiagnostics } from "./output.ts";
import { endProgress } from "./progress.ts";
import { isReaderGone } from "./streams.ts";
import { countOf, idOf } from "./verify-flags.ts";
import type { GenerateRequest, Model, ModelOptions } from "../../runtime/model/types.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly prompt?: string;
  readonly chat: boolean;
  readonly load: NamedPaths;
  readonly adapter?: string;
  readonly adapterIds?: number;
  readonly force: boolean;
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  readonly stop: readonly string[];
  readonly device: "auto" | "cpu" | "cuda";
  readonly threads?: number;
  readonly tokenizer?: string;
  readonly json: boolean;
}

/** `tfc generate <model>`: continues a prompt, or talks. */
export function generateCommand(): Command {
  const command = new Command("generate")
    .description("continue a prompt (given, or read from stdin), or talk with a chat model")
    .argument("<model>", "a decoder's graph, compiled or not, or a folder with one")
    .option("--prompt <text>", "text to continue (default: what stdin has)")
    .option("--chat", "talk in the terminal, by the model's chat template; /help lists commands", false);
  return withModel(withSampling(withAdapters(command)))
    .option("--json", "print one JSON object: text, ids, counts and tokens per second", false)
    .action(run);
}

function withAdapters(command: Command): Command {
  return withHints(
    command
      .addOption(
        repeatedFlag(
          "--load <[name=]path>",
          "an adapter of any format for a graph that takes adapters as inputs; may be repeated: the first is used, or the one that --adapter names",
          namedPath,
        ).default(new Map<string, string>(), "none"),
      )
      .option("--adapter <name>", "the adapter to use: one that is loaded, or a member of a bank")
      .option(
        "--adapter-ids <id>",
        "the member of a bank to use, counted from 0 (default: -1, the base)",
        idOf,
      )
      .option("--force", "take an adapter that belongs to another base", false),
  );
}

function withSampling(command: Command): Command {
  const share = (option: string): ((text: string) => number) =>
    numberOf(option, "a number from 0 to 1", (value) => value >= 0 && value <= 1);
  return command
    .option("--max-new-tokens <n>", "new tokens at most", countOf("--max-new-tokens"), 64)
    .option(
      "--temperature <t>",
      "0 takes the likeliest token each time, 1 samples as the model says",
      numberOf("--temperature", "a number, 0 or more", (value) => value >= 0),
      0,
    )
    .option("--top-k <k>", "sample among the k likeliest tokens; 0 for all", countOf("--top-k"))
    .option(
      "--top-p <p>",
      "sample among the likeliest tokens with this probability together",
      share("--top-p"),
    )
    .option("--min-p <p>", "sample among tokens this many times as likely as the likeliest", share("--min-p"))
    .option(
      "--repetition-penalty <x>",
      "above 1 makes tokens less likely that are there already",
      numberOf("--repetition-penalty", "a number above 0", (value) => value > 0),
    )
    .option("--seed <n>", "one seed gives one text (default: another each time)", countOf("--seed"))
    .addOption(
      repeatedFlag("--stop <text...>", "texts that end the answer; they are not printed", stopText).default(
        [],
      ),
    );
}

function withModel(command: Command): Command {
  return command
    .addOption(wordFlag("--device <name>", "where to run", ["auto", "cpu", "cuda"]).default("auto"))
    .option("--threads <n>", "threads within an op (default: onnxruntime's choice)", countOf("--threads", 1))
    .option(
      "--tokenizer <path>",
      "folder of the tokenizer and its template, or its tokenizer.json (default: the model's folder)",
    );
}

async function run(file: string, flags: Flags): Promise<void> {
  check(flags);
  const prompt = flags.chat ? null : (flags.prompt ?? (await pipedPrompt()));
  const model = await load(file, flags);
  try {
    const adapter = adapterOf(model, flags);
    const request = { ...requestOf(flags), ...(adapter === undefined ? {} : { adapter }) };
    if (prompt !== null) {
      const { result } = await printAnswer(model, { ...request, prompt }, flags.json);
      if (result !== null || isReaderGone()) return;
    } else {
      const { chat } = await import("./chat.ts");
      await chat(model, request, flags.json);
      return;
    }
  } finally {
    await model.close();
  }
  endInterrupted();
}

/** @throws TfcError for flags that do not go together, or say nothing */
function check({ chat, prompt, load, adapter, adapterIds, force, ...flags }: Flags): void {
  const conflict = (option: string, other: string): Error =>
    inputError("OPTION_CONFLICT", {}, { option, other });
  if (chat && prompt !== undefined) throw conflict("--chat", "--prompt");
  if (adapter !== undefined && adapterIds !== undefined) throw conflict("--adapter", "--adapter-ids");
  if (adapterIds !== undefined && load.size > 0) throw conflict("--adapter-ids", "--load");
  const [hint] = [...Object.keys(hintsOf(flags)), ...(force ? ["force"] : [])];
  if (load.size === 0 && hint !== undefined)
    throw inputError("OPTION_UNUSED", {}, { option: `--${hint}`, needs: "--load" });
  if (flags.temperature > 0) return;
  const idle = (["topK", "topP", "minP", "seed"] as const).filter((name) => flags[name] !== undefined);
  printDiagnostics(idle.map((option) => diagnostic("OPTION_GREEDY", {}, { option })));
}

/** What stdin has, without the end of its last line. @throws TfcError USAGE where nobody gave anything */
async function pipedPrompt(): Promise<string> {
  if (process.stdin.isTTY)
    throw inputError(
      "USAGE",
      {},
      { what: "there is nothing to continue: give --prompt, --chat, or a text on stdin" },
    );
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

async function load(file: string, flags: Flags): Promise<Model> {
  const { loadModel } = await import("../../runtime/model/load.ts");
  const model = await loadModel(file, optionsOf(flags));
  // What is typed, and the answer, go to the terminal from here on.
  if (flags.chat) endProgress();
  printDiagnostics(model.diagnostics);
  return model;
}

function optionsOf(flags: Flags): ModelOptions {
  const { device, threads, tokenizer, force } = flags;
  const hints = hintsOf(flags);
  const adapters = [...flags.load].map(([name, path]) => [name, { path, hints, force }] as const);
  return {
    device,
    ...(threads === undefined ? {} : { threads }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(adapters.length === 0 ? {} : { adapters: Object.fromEntries(adapters), capacity: adapters.length }),
  };
}

/** The name of the adapter to begin with. @throws TfcError ADAPTER_NAME_UNKNOWN, OPTION_OUT_OF_RANGE */
function adapterOf({ adapters: { names } }: Model, { load, adapter, adapterIds }: Flags): string | undefined {
  if (adapter !== undefined && !names.includes(adapter))
    throw inputError("ADAPTER_NAME_UNKNOWN", {}, { name: adapter, known: names });
  if (adapterIds === undefined) return adapter ?? [...load.keys()][0];
  if (adapterIds < names.length) return names[adapterIds];
  const wanted =
    names.length === 0 ? "none: the graph has no bank" : `one id, from -1 to ${names.length - 1}`;
  const found = String(adapterIds);
  throw inputError("OPTION_OUT_OF_RANGE", {}, { option: "--adapter-ids", wanted, found });
}

function requestOf(flags: Flags): GenerateRequest {
  const { maxNewTokens, temperature, stop } = flags;
  const names = ["topK", "topP", "minP", "repetitionPenalty", "seed"] as const;
  const given = names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]] as const]));
  // Without any, those of the model's own configuration hold.
  const stops = stop.length === 0 ? {} : { stop };
  return { maxNewTokens, temperature, ...stops, ...Object.fromEntries(given) };
}
