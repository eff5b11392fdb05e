import { pathToFileURL } from "node:url";

/** A place in a text, as editors count: both from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** The place of a position, which counts from 0. */
export function textPlace(text: string, position: number): TextPlace {
  const lines = text.slice(0, position).split(/\r\n|[\n\r]/);
  return { line: lines.length, column: (lines.at(-1) ?? "").length + 1 };
}

/**
 * The place of what JSON.parse does not understand. Its message tells a position or names the token; in the second
 * case it is the first beginning of the text for which it says so, since what lacks only its end is told otherwise.
 */
export function jsonErrorPlace(text: string, message: string): TextPlace {
  const [, position] = / at position (\d+)/.exec(message) ?? [];
  if (position !== undefined) return textPlace(text, Number(position));
  if (!isTokenRefused(text)) return textPlace(text, text.length);
  let [good, bad] = [0, text.length];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isTokenRefused(text.slice(0, middle))) bad = middle;
    else good = middle;
  }
  return textPlace(text, good);
}

function isTokenRefused(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return error instanceof Error && error.message.startsWith("Unexpected token");
  }
}

/** The place in a module from which an error was thrown; null where none of its code was running. */
export function thrownAt(error: unknown, module: string): TextPlace | null {
  if (!(error instanceof Error) || error.stack === undefined) return null;
  for (const name of [pathToFileURL(module).href, module]) {
    const at = error.stack.indexOf(name);
    if (at < 0) continue;
    // A module that is run again has a query.
    const [, line, column] = /^(?:\?t=[\d.]+)?:(\d+):(\d+)/.exec(error.stack.slice(at + name.length)) ?? [];
    if (line !== undefined && column !== undefined) return { line: Number(line), column: Number(column) };
  }
  return null;
}
