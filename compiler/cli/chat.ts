import { TfcError } from "../diagnostics/error.ts";
import { printAnswer } from "./answer.ts";
import { commandOf, HELP } from "./chat-commands.ts";
import { linesOf } from "./lines.ts";
import { isReaderGone, say } from "./streams.ts";
import { spokenText } from "../config/wording.ts";
import type { GenerateRequest, Message, Model } from "../../runtime/model/types.ts";

/** Errors that no other message would be without. */
const LASTING: ReadonlySet<string> = new Set([
  ...["TOKENIZER_MISSING", "TOKENIZER_INVALID", "CHAT_TEMPLATE_MISSING", "CHAT_TEMPLATE_INVALID"],
  ...["MODEL_CLOSED", "ENGINE_STOPPED"],
]);

/**
 * A conversation in the terminal, or line by line where stdin is none: each line is a message, or a command that begins
 * with a slash. A message that fails is told of and forgotten, and the conversation goes on.
 *
 * @param settings of every answer, and the adapter to begin with
 * @throws TfcError for a model that cannot talk
 */
export async function chat(model: Model, settings: GenerateRequest, json: boolean): Promise<void> {
  await tryOut(model, settings);
  const conversation = new Conversation(model, settings, json);
  if (process.stdin.isTTY) say("/help lists commands; Ctrl-C ends an answer, Ctrl-D the conversation\n");
  const lines = linesOf(process.stdin, process.stdout);
  try {
    for (let line = await lines.next(); line !== null; line = await lines.next()) {
      if (!(await conversation.hear(line)) || isReaderGone()) return;
    }
  } finally {
    lines.close();
  }
}

/** Whether there are a tokenizer and a template, and the adapter can be read: told before anything is typed. */
async function tryOut(model: Model, settings: GenerateRequest): Promise<void> {
  const messages = [{ role: "user", content: "Hello" }];
  try {
    await model.generate({ ...settings, messages, maxNewTokens: 0 }).result();
  } catch (error) {
    // Of a template that takes no such message there may be others.
    if (isLasting(error) || !(error instanceof TfcError) || error.code !== "CHAT_TEMPLATE_REFUSED")
      throw error;
  }
}

function isLasting(error: unknown): boolean {
  return !(error instanceof TfcError) || error.kind !== "input" || LASTING.has(error.code);
}

class Conversation {
  readonly #model: Model;
  readonly #settings: GenerateRequest;
  readonly #json: boolean;
  #adapter: string | null;
  #messages: readonly Message[] = [];

  constructor(model: Model, { adapter, ...settings }: GenerateRequest, json: boolean) {
    this.#model = model;
    this.#settings = settings;
    this.#adapter = adapter ?? null;
    this.#json = json;
  }

  /** Takes a line. @returns whether the conversation goes on */
  async hear(line: string): Promise<boolean> {
    const command = commandOf(line);
    switch (command.type) {
      case "quit":
        return false;
      case "help":
        say(HELP);
        break;
      case "unknown":
        say(
          `there is no command ${command.name}; /help lists commands, and a space in front makes it a message\n`,
        );
        break;
      case "reset":
        this.#messages = [];
        say("a new conversation\n");
        break;
      case "adapter":
        await this.#survive(() => this.#use(command.name));
        break;
      case "message":
        if (command.text.trim() !== "") await this.#survive(() => this.#answer(command.text));
    }
    return true;
  }

  async #answer(content: string): Promise<void> {
    const messages = [...this.#messages, { role: "user", content }];
    const request = { ...this.#settings, messages };
    const { text, result } = await printAnswer(
      this.#model,
      this.#adapter === null ? request : { ...request, adapter: this.#adapter },
      this.#json,
    );
    // What was said before Ctrl-C was said, too.
    this.#messages = [...messages, { role: "assistant", content: text }];
    if (result?.stop === "length" && process.stderr.isTTY)
      say(`(the answer has ${result.new} tokens, as many as it may: --max-new-tokens)\n`);
  }

  /** Answers with another adapter from here on; no name tells which there are. */
  async #use(name: string): Promise<void> {
    const { adapters } = this.#model;
    if (name === "") {
      const known = adapters.names.length === 0 ? "none" : adapters.names.join(", ");
      say(`adapter: ${this.#adapter ?? "none, the base"}; there are: ${known}\n`);
      return;
    }
    const isBase = name === "none" && !adapters.names.includes(name);
    // Read now: what is wrong with it is told before it is used.
    const lease = await adapters.lease(isBase ? null : name);
    lease.release();
    this.#adapter = isBase ? null : name;
    say(`adapter: ${this.#adapter ?? "none, the base"}\n`);
  }

  /** Does something; where it fails of a message or a name, says so. */
  async #survive(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (isLasting(error) || !(error instanceof TfcError)) throw error;
      say(`${error.diagnostics.map(spokenText).join("\n")}\n`);
      if (error.code === "PROMPT_TOO_LONG" && this.#messages.length > 0)
        say("the conversation is longer than the model can look back: /reset begins a new one\n");
    }
  }
}
