/**
 * An independent reader of protobuf's text format, as far as Triton's configurations use it: messages as objects, each
 * field a list of what it was given, since the text does not say which fields are lists.
 */
export interface Message extends Readonly<Record<string, readonly Value[]>> {
  /** What most messages have. */
  readonly name: readonly Value[];
}

type Value = string | number | boolean | Message;

const TOKEN = /\s*(?:#[^\n]*\n\s*)*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|\w+|[{}[\]:,])/y;

/** Reads a configuration. @throws Error for what is not of the format */
export function readConfig(text: string): Message {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; at < text.trimEnd().length; at = TOKEN.lastIndex) {
    const token = TOKEN.exec(text)?.[1];
    if (token === undefined) throw new Error(`nothing of the format at ${at}: ${text.slice(at, at + 20)}`);
    tokens.push(token);
  }
  return messageOf(tokens, null);
}

function messageOf(tokens: string[], end: string | null): Message {
  const fields: Record<string, Value[]> = {};
  for (let name = tokens.shift(); name !== undefined && name !== end; name = tokens.shift()) {
    if (tokens[0] === ":") tokens.shift();
    fields[name] = [...(fields[name] ?? []), ...valuesOf(tokens)];
  }
  return fields as unknown as Message;
}

function valuesOf(tokens: string[]): Value[] {
  const first = tokens.shift() ?? "";
  if (first === "{") return [messageOf(tokens, "}")];
  if (first !== "[") return [scalarOf(first)];
  const values: Value[] = [];
  for (let next = tokens[0]; next !== undefined && next !== "]"; next = tokens[0]) {
    if (next === ",") tokens.shift();
    else values.push(...valuesOf(tokens));
  }
  tokens.shift();
  return values;
}

function scalarOf(token: string): Value {
  if (token.startsWith('"')) return JSON.parse(token) as string;
  if (/^-?\d/.test(token)) return Number(token);
  return token === "true" ? true : token === "false" ? false : token;
}
