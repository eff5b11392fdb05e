import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Message } from "../model/types.ts";
import type { Json } from "./json.ts";
import { parseTemplate, renderTemplate, TemplateRefusal } from "./render-template.ts";
import type { SpecialTokens } from "./special-tokens.ts";

/** Lays out conversations as a model was trained on them. */
export interface ChatTemplate {
  /**
   * The text of a conversation, special tokens written out, up to where the model's answer begins.
   *
   * @param isOpen false for one that ends with its last message: no answer is to follow
   * @throws TfcError CHAT_TEMPLATE_REFUSED where the template says that it takes no such conversation;
   *   CHAT_TEMPLATE_INVALID
   */
  render(messages: readonly Message[], isOpen?: boolean): string;
  /** Whether it has a word as a text of its own, as it has the names of roles that it lays out in their own ways. */
  names(word: string): boolean;
}

/** A template, of its text. @param file what messages call it @throws TfcError CHAT_TEMPLATE_INVALID */
export function templateOf(file: string, text: string, tokens: SpecialTokens): ChatTemplate {
  const template = using(file, () => parseTemplate(text));
  return {
    names: (word) => [`"${word}"`, `'${word}'`].some((quoted) => text.includes(quoted)),
    render: (messages, isOpen = true) =>
      using(file, () =>
        renderTemplate(template, {
          ...tokens,
          messages: messages.map((message) => withoutNulls(message)),
          add_generation_prompt: isOpen,
          // Templates ask whether there are any.
          tools: null,
          documents: null,
        }),
      ),
  };
}

function using<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const code = cause instanceof TemplateRefusal ? "CHAT_TEMPLATE_REFUSED" : "CHAT_TEMPLATE_INVALID";
    throw inputError(code, { file }, { why }, cause);
  }
}

/** Templates take a field that is null for a value. */
function withoutNulls(message: Message): Json {
  return Object.fromEntries(
    Object.entries(message).filter(([, value]) => value !== null && value !== undefined),
  );
}
