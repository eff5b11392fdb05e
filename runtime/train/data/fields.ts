/** Names of what a row holds: `messages`; or `prompt` and `completion`; or `text`. */
export const exampleFields: readonly string[] = ["messages", "prompt", "completion", "text"];
