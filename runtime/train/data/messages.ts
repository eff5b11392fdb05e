import { isObject } from "../../generate/json-file.ts";
import type { Message } from "../../model/types.ts";
import { kindOf, type Refuse } from "./fault.ts";

/** Who speaks in conversations, whatever the model. */
const ROLES: readonly string[] = [
  ...["system", "developer", "user", "assistant", "tool", "function", "ipython"],
];

/** How messages are read. */
export interface MessageReading {
  readonly refuse: Refuse;
  /** Whether the model's chat template knows a role by name, beside those that all know. */
  readonly namesRole: (role: string) => boolean;
}

/**
 * Messages of a row. A role that nobody knows is refused: were it `assistant` misspelt, nothing would be learned of it, and
 * nobody told.
 *
 * @throws TfcError TRAIN_DATA_LINE; what loading a template throws
 */
export function messagesOf(value: unknown, reading: MessageReading): readonly Message[] {
  const { refuse } = reading;
  if (!Array.isArray(value)) throw refuse("messages: a list of messages", `messages: ${kindOf(value)}`);
  const messages = value.map((message: unknown, i) => messageOf(message, `messages[${i}]`, reading));
  if (messages.some(({ role }) => role === "assistant")) return messages;
  const roles = messages.map(({ role }) => role);
  throw refuse(
    "messages: one of the assistant among them",
    `messages: ${roles.length === 0 ? "none" : `of ${roles.join(", ")}`}`,
  );
}

function messageOf(value: unknown, name: string, { refuse, namesRole }: MessageReading): Message {
  if (!isObject(value)) throw refuse(`${name}: { role, content }`, `${name}: ${kindOf(value)}`);
  const { role } = value;
  if (typeof role !== "string") throw refuse(`${name}.role: a text`, `${name}.role: ${kindOf(role)}`);
  if (!ROLES.includes(role) && !namesRole(role))
    throw refuse(
      `${name}.role: ${ROLES.join(", ")}, or one of the chat template's own`,
      JSON.stringify(role),
    );
  // Fields that only some templates know go along.
  return { ...value, role, content: contentOf(value["content"], `${name}.content`, refuse) };
}

/** A text, or parts of one as chat services take them: `[{ "type": "text", "text": "…" }]`. */
function contentOf(value: unknown, name: string, refuse: Refuse): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) throw refuse(`${name}: a text`, `${name}: ${kindOf(value)}`);
  return value.map((part: unknown, i) => partOf(part, `${name}[${i}]`, refuse)).join("");
}

function partOf(part: unknown, name: string, refuse: Refuse): string {
  const { type, text } = isObject(part) ? part : {};
  if (type === "text" && typeof text === "string") return text;
  const found =
    !isObject(part) || typeof type !== "string"
      ? kindOf(part)
      : type === "text"
        ? `text: ${kindOf(text)}`
        : `type: ${JSON.stringify(type)}`;
  throw refuse(
    `${name}: { "type": "text", "text": … }: models are trained on text alone`,
    `${name}: ${found}`,
  );
}
