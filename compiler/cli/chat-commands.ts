/** What a line of a conversation asks for. */
export type ChatCommand =
  | { readonly type: "message"; readonly text: string }
  | { readonly type: "adapter"; readonly name: string }
  | { readonly type: "reset" | "quit" | "help" }
  | { readonly type: "unknown"; readonly name: string };

export const HELP = `/adapter NAME  answer with this adapter from here on; "none" is the base model
/adapter       say which adapters there are
/reset         begin a new conversation
/quit          end
`;

/** A line that begins with a slash is a command, any other a message. */
export function commandOf(line: string): ChatCommand {
  if (!line.startsWith("/")) return { type: "message", text: line };
  const [name = "", ...rest] = line.trim().split(/\s+/);
  switch (name) {
    case "/adapter":
      return { type: "adapter", name: rest.join(" ") };
    case "/reset":
      return { type: "reset" };
    case "/quit":
    case "/exit":
      return { type: "quit" };
    case "/help":
      return { type: "help" };
    default:
      return { type: "unknown", name };
  }
}
