import { inputError, type TfcError } from "../diagnostics/error.ts";

/** A token. `text` of a string is its content; `comment` is what follows a `#` behind it on its line. */
export interface Token {
  readonly kind: "word" | "number" | "string" | "mark" | "end";
  readonly text: string;
  readonly at: number;
  readonly comment?: string;
}

/** Graphs and types inside each other: as deep as protobuf's messages may be. */
const DEPTH = 100;

const space = /\s*(?:#[^\n]*\s*)*/y;
const trailing = /[ \t]*#([^\n]*)/y;
const word = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|-(?:infinity|inf|nan)\b/iy;
const string = /"([^"\\]*(?:\\[^][^"\\]*)*)"/y;
const mark = /=>|[<>()[\]{},:=@.?…]/y;

/** The tokens of ONNX's textual syntax, read as they are asked for. Comments run from `#` to the end of a line. */
export class Lexer {
  readonly #text: string;
  readonly #file: string | undefined;
  readonly #ahead: Token[] = [];
  #at = 0;
  #depth = 0;
  #last: Token = { kind: "end", text: "", at: 0 };

  constructor(text: string, file?: string) {
    this.#text = text;
    this.#file = file;
  }

  /** The token that was read last. */
  get last(): Token {
    return this.#last;
  }

  /** A token that was not read yet; 0 is the next one. */
  peek(ahead = 0): Token {
    let token = this.#ahead[ahead];
    while (token === undefined) {
      this.#ahead.push(this.#scan());
      token = this.#ahead[ahead];
    }
    return token;
  }

  next(): Token {
    this.#last = this.peek();
    this.#ahead.shift();
    return this.#last;
  }

  /** Whether a token not read yet is this mark. */
  sees(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === "mark" && token.text === text;
  }

  /** Reads the next token if it is this mark. */
  takes(text: string): boolean {
    if (!this.sees(text)) return false;
    this.next();
    return true;
  }

  /** @throws TfcError TEXT_SYNTAX when the next token is another one */
  expect(text: string): void {
    if (!this.takes(text)) throw this.error(JSON.stringify(text));
  }

  /** @throws TfcError TEXT_SYNTAX when the next token is another one */
  string(wanted: string): string {
    if (this.peek().kind !== "string") throw this.error(wanted);
    return this.next().text;
  }

  /** A bare or quoted name. @throws TfcError TEXT_SYNTAX when the next token is another one */
  name(wanted: string): string {
    const { kind } = this.peek();
    if (kind !== "word" && kind !== "string") throw this.error(wanted);
    return this.next().text;
  }

  /** @throws TfcError TEXT_SYNTAX when the next token is no integer, or one outside of the bounds */
  integer(wanted = "an integer", least = -(2n ** 63n), most = 2n ** 63n - 1n): bigint {
    const token = this.peek();
    if (token.kind !== "number" || !/^-?\d+$/.test(token.text)) throw this.error(wanted);
    const value = BigInt(token.text);
    if (value < least || value > most) throw this.error(`${wanted} from ${least} to ${most}`);
    this.next();
    return value;
  }

  /**
   * Reads what may hold others of its kind.
   *
   * @throws TfcError TEXT_SYNTAX where it is too deep inside of such
   */
  inside<T>(read: () => T): T {
    if (this.#depth >= DEPTH) throw this.error(`at most ${DEPTH} types or graphs inside each other`);
    this.#depth++;
    try {
      return read();
    } finally {
      this.#depth--;
    }
  }

  /** Entries between commas up to a closing mark, which is read too. */
  list(close: string, entry: () => void): void {
    if (this.takes(close)) return;
    do entry();
    while (this.takes(","));
    this.expect(close);
  }

  /** The error of having met a token, the next one unless given, where something else is wanted. */
  error(wanted: string, token = this.peek()): TfcError {
    const before = this.#text.slice(0, token.at);
    const line = before.split("\n").length;
    const column = token.at - before.lastIndexOf("\n");
    const found = token.kind === "end" ? "the end of the text" : foundText(token);
    const place = this.#file === undefined ? {} : { file: this.#file };
    return inputError("TEXT_SYNTAX", place, { line, column, wanted, found });
  }

  #scan(): Token {
    this.#match(space);
    const at = this.#at;
    if (at >= this.#text.length) return { kind: "end", text: "", at };
    const token = this.#token(at);
    const comment = this.#match(trailing)?.[1];
    return comment === undefined ? token : { ...token, comment };
  }

  #token(at: number): Token {
    let match = this.#match(word);
    if (match !== null) return { kind: "word", text: match[0], at };
    match = this.#match(mark);
    if (match !== null) return { kind: "mark", text: match[0], at };
    match = this.#match(number);
    if (match !== null) return { kind: "number", text: match[0], at };
    match = this.#match(string);
    if (match !== null) return { kind: "string", text: (match[1] ?? "").replace(/\\([^])/g, "$1"), at };
    const open = this.#text.charAt(at) === '"';
    const text = open ? this.#text.slice(at) : String.fromCodePoint(this.#text.codePointAt(at) ?? 0);
    throw this.error(open ? "a closing quote" : "a token of ONNX's textual syntax", {
      kind: "mark",
      text,
      at,
    });
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }
}

function foundText(token: Token): string {
  const text = token.text.length > 40 ? `${token.text.slice(0, 40)}…` : token.text;
  return token.kind === "number" ? text : JSON.stringify(text);
}
