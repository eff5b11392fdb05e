import { codes, type Code, type Severity } from "./codes.ts";
import type { Text } from "./row.ts";

/** A message with `{names}` in place of what it is about. */
export interface CodeText extends Text {
  readonly code: Code;
  readonly severity: Severity;
}

/** Every message, in the order of the tables. */
export function codeTexts(): readonly CodeText[] {
  return Object.entries(codes).map(([code, row]) => {
    // What stands in for the parameters serves each of the texts; their types have nothing in common.
    const { what, wanted, found, fix } = (row.text as (params: unknown) => Text)(placeholders());
    const parts = Object.entries({ what, wanted, found, fix }).filter(([, text]) => text !== undefined);
    // Some are a stand-in as it is.
    const texts = Object.fromEntries(parts.map(([name, text]) => [name, `${text}`]));
    return { code: code as Code, severity: row.severity, what: "", ...texts };
  });
}

/** Parameters for any text: each property is a stand-in that prints its own name. */
function placeholders(): unknown {
  return new Proxy({}, { get: (_, name) => standIn(String(name)) });
}

/** Serves as a text, as a number, which is never 1, and as a list of several. */
function standIn(name: string): unknown {
  const text = `{${name}}`;
  const print = (): string => text;
  return Object.assign([text, text], {
    join: print,
    toString: print,
    toJSON: print,
    [Symbol.toPrimitive]: print,
  });
}
