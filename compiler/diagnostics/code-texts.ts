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
    const { params, named } = placeholders();
    const { what, wanted, found, fix } = (row.text as (params: unknown) => Text)(params);
    const parts = Object.entries({ what, wanted, found, fix }).filter(([, text]) => text !== undefined);
    // Some are a stand-in as it is.
    const texts = Object.fromEntries(parts.map(([name, text]) => [name, named(`${text}`)]));
    return { code: code as Code, severity: row.severity, what: "", ...texts };
  });
}

/** Numbers that stand in for one parameter each, and for what is computed of it: far from all that texts say. */
const [FIRST, APART] = [7_000_500, 1000];

/** Parameters for any text: each property is a stand-in that prints its own name. */
function placeholders(): Placeholders {
  const names: string[] = [];
  const of = (name: string): unknown => standIn(name, FIRST + APART * (names.push(name) - 1), of);
  return {
    params: new Proxy({}, { get: (_, name) => of(String(name)) }),
    named: (text) =>
      text.replaceAll(/\b7\d{6}\b/g, (digits) => {
        const name = names[Math.round((Number(digits) - FIRST) / APART)];
        return name === undefined ? digits : `{${name}}`;
      }),
  };
}

interface Placeholders {
  readonly params: unknown;
  /** A text with the names of the parameters that were computed with. */
  readonly named: (text: string) => string;
}

/** Serves as a text, as a number, which is never 1, as a list of several, and as an object of whatever is asked of it. */
function standIn(name: string, number: number, of: (name: string) => unknown): unknown {
  const text = `{${name}}`;
  const print = (): string => text;
  const known: Record<string | symbol, unknown> = {
    join: print,
    toString: print,
    toJSON: print,
    [Symbol.toPrimitive]: (hint: string) => (hint === "number" ? number : text),
  };
  const list = Object.assign([text, text], known);
  return new Proxy(list, {
    get: (target, key): unknown =>
      key in target || typeof key === "symbol" ? Reflect.get(target, key) : of(key),
  });
}
