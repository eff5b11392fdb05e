import { isDType, type DType } from "../ir/dtype.ts";
import type { Dim, ValueType } from "../ir/type.ts";
import { isTypeWord } from "./identifiers.ts";
import type { Lexer } from "./lexer.ts";

/** Whether a type comes next. A quoted word never is one. */
export function seesType(lexer: Lexer): boolean {
  const { kind, text } = lexer.peek();
  return kind === "word" && isTypeWord(text);
}

/** `float[B,64]`, `seq(float)`, …; undefined for `?`, a type that is not known. */
export function parseType(lexer: Lexer): ValueType | undefined {
  if (lexer.takes("?")) return undefined;
  if (!seesType(lexer)) throw lexer.error("a type");
  const word = lexer.next().text;
  if (isDType(word)) return { kind: "tensor", dtype: word, ...parseShape(lexer) };
  lexer.expect("(");
  const type = lexer.inside(() => parseCompound(lexer, word));
  lexer.expect(")");
  return type;
}

function parseCompound(lexer: Lexer, word: string): ValueType {
  switch (word) {
    case "sparse_tensor":
      return { kind: "sparse_tensor", dtype: parseDType(lexer), ...parseShape(lexer) };
    case "map": {
      const key = parseDType(lexer);
      lexer.expect(",");
      return { kind: "map", key, ...parseInner(lexer) };
    }
    case "opaque": {
      const first = parseDotted(lexer);
      return lexer.takes(",")
        ? { kind: "opaque", domain: first, name: parseDotted(lexer) }
        : { kind: "opaque", domain: "", name: first };
    }
    default:
      return { kind: word === "seq" ? "seq" : "optional", ...parseInner(lexer) };
  }
}

function parseInner(lexer: Lexer): { of?: ValueType } {
  const of = parseType(lexer);
  return of === undefined ? {} : { of };
}

function parseDType(lexer: Lexer): DType {
  const { text } = lexer.peek();
  if (!isDType(text)) throw lexer.error("an element type");
  lexer.next();
  return text;
}

function parseDotted(lexer: Lexer): string {
  if (lexer.sees(")")) return "";
  let text = lexer.name("a name");
  while (lexer.takes(".")) text += `.${lexer.name("a name")}`;
  return text;
}

/** No brackets are a scalar, empty ones an unknown rank. */
function parseShape(lexer: Lexer): { shape?: readonly Dim[] } {
  if (!lexer.takes("[")) return { shape: [] };
  const shape: Dim[] = [];
  lexer.list("]", () => {
    shape.push(parseDim(lexer));
  });
  return shape.length === 0 ? {} : { shape };
}

function parseDim(lexer: Lexer): Dim {
  if (lexer.takes("?")) return null;
  const { kind } = lexer.peek();
  if (kind === "word" || kind === "string") return lexer.next().text;
  return Number(lexer.integer("a dimension"));
}
