import { styleText } from "node:util";
import type { Severity } from "../diagnostics/codes.ts";

type Format = "bold" | "dim" | "red" | "green" | "yellow" | "cyan" | "magenta";

/**
 * A text in colours where the stream is a terminal that has them and NO_COLOR is not set, or FORCE_COLOR asks for
 * them; else as it is.
 */
function painted(stream: NodeJS.WriteStream, text: string, ...formats: readonly Format[]): string {
  // One by one: Node 20 paints a list of formats whatever the stream is.
  return formats.reduce((so, format) => styleText(format, so, { stream }), text);
}

/** A text of a result. */
export function inResult(text: string, ...formats: readonly Format[]): string {
  return painted(process.stdout, text, ...formats);
}

const severities: Readonly<Record<Severity, Format>> = { error: "red", warning: "yellow", note: "cyan" };

/** A message of several lines, its severity and what to do in colours. */
export function colouredMessage(text: string, severity: Severity, code: string): string {
  const stream = process.stderr;
  const name = `${severity} ${code}`;
  const [head = "", ...lines] = text.split("\n");
  const rest = lines.map((line) =>
    line.startsWith("  fix: ") ? `  ${painted(stream, "fix:", "green")} ${line.slice(7)}` : line,
  );
  const bright = head.replace(`${name}:`, `${painted(stream, name, severities[severity], "bold")}:`);
  return [bright, ...rest].join("\n");
}

/** A report whose lines end with how something came out: what is equal in green, what differs in red. */
export function colouredVerdicts(text: string): string {
  return text
    .replace(/(?<= {2})equal$/gm, (word) => inResult(word, "green"))
    .replace(/(?<= {2})differs by more than \S+$/gm, (words) => inResult(words, "red"));
}
