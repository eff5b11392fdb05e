import type { Attribute } from "../ir/attribute.ts";
import type { Graph } from "../ir/graph.ts";
import type { ValueType } from "../ir/type.ts";
import { attributeTypes, isAttributeType, type AttributeTypeName } from "./attribute-types.ts";
import { isNumberWord } from "./identifiers.ts";
import type { Lexer } from "./lexer.ts";
import type { TensorParser } from "./parse-tensor.ts";
import { parseType, seesType } from "./parse-type.ts";

/** What reading attributes needs besides the tokens. `graph` reads a graph that an attribute holds. */
export interface AttributeContext {
  readonly lexer: Lexer;
  readonly tensors: TensorParser;
  graph(path: string): Graph;
}

/** Attribute types as the text may state them: `unknown` is ours, for what the text cannot hold. */
type Stated = AttributeTypeName | "unknown" | undefined;

/** An attribute's type, if it is stated, and value: what stands behind its name. */
export function parseAttribute(context: AttributeContext, path: string): Attribute {
  const { lexer } = context;
  const stated = lexer.takes(":") ? parseStated(lexer) : undefined;
  lexer.expect("=");
  const at = lexer.peek();
  if (lexer.takes("@")) {
    const parameter = lexer.name("the name of an attribute of the function");
    return {
      kind: "ref",
      parameter,
      of: stated === undefined || stated === "unknown" ? 0 : attributeTypes[stated],
    };
  }
  const value = lexer.takes("[")
    ? parseList(context, stated, path)
    : parseSingle(context, path, stated === "float");
  const found =
    value.kind === "type" || value.kind === "types" ? value.kind.replace("type", "type_proto") : value.kind;
  if (stated !== undefined && found !== stated) throw lexer.error(`a value of type ${stated}`, at);
  return value;
}

function parseStated(lexer: Lexer): Stated {
  const { kind, text } = lexer.peek();
  if (kind !== "word" || !(isAttributeType(text) || text === "unknown"))
    throw lexer.error("an attribute type");
  lexer.next();
  return text;
}

function parseSingle(context: AttributeContext, path: string, asFloat: boolean): Attribute {
  const { lexer, tensors } = context;
  const { kind, text } = lexer.peek();
  if (lexer.takes("?")) return { kind: "type", value: { kind: "none" } };
  if (seesType(lexer)) return parseTensorOrType(context, path);
  // A quoted word before "(" is the name of a graph.
  if (kind === "string" && !lexer.sees("(", 1)) return { kind: "string", value: tensors.bytes() };
  if (kind === "word" && text === "hex" && lexer.peek(1).kind === "string") {
    return { kind: "string", value: tensors.bytes() };
  }
  if (kind === "number" && /^-?\d+$/.test(text) && !asFloat) return { kind: "int", value: lexer.integer() };
  if (kind === "number" || (kind === "word" && isNumberWord(text))) {
    return { kind: "float", value: Math.fround(tensors.float()) };
  }
  if (kind === "word" || kind === "string") return { kind: "graph", value: context.graph(path) };
  throw lexer.error("an attribute value");
}

function parseTensorOrType(context: AttributeContext, path: string): Attribute {
  const { lexer, tensors } = context;
  const type = parseType(lexer);
  const { kind } = lexer.peek();
  const named = kind === "word" || kind === "string";
  if (!named && !lexer.sees("{") && !lexer.sees("="))
    return { kind: "type", value: type ?? { kind: "none" } };
  const name = named ? lexer.next().text : "";
  lexer.takes("=");
  return { kind: "tensor", value: tensors.content(type, path, name) };
}

/** The entries behind `[`; the type of an empty list has to be stated. */
function parseList(context: AttributeContext, stated: Stated, path: string): Attribute {
  const { lexer } = context;
  if (lexer.takes("]")) return emptyList(lexer, stated);
  const entries: Attribute[] = [];
  lexer.list("]", () => {
    const at = lexer.peek();
    const entry = parseSingle(context, `${path}[${entries.length}]`, stated === "floats");
    const kinds = new Set([...entries, entry].map((e) => (e.kind === "int" ? "float" : e.kind)));
    if (kinds.size > 1) throw lexer.error("entries of one type", at);
    entries.push(entry);
  });
  return listOf(entries);
}

function emptyList(lexer: Lexer, stated: Stated): Attribute {
  switch (stated) {
    case "ints":
    case "floats":
    case "strings":
    case "tensors":
    case "graphs":
      return { kind: stated, value: [] };
    case "type_protos":
      return { kind: "types", value: [] };
    case "unknown":
      return { kind: "unknown" };
    default:
      throw lexer.error('": ints" or another type of lists before an empty list', lexer.last);
  }
}

function listOf(entries: readonly Attribute[]): Attribute {
  const ints: bigint[] = [];
  const floats: number[] = [];
  const strings: Uint8Array[] = [];
  const [tensors, graphs, types] = [
    [] as Extract<Attribute, { kind: "tensor" }>["value"][],
    [] as Graph[],
    [] as ValueType[],
  ];
  for (const entry of entries) {
    if (entry.kind === "int") ints.push(entry.value);
    if (entry.kind === "int" || entry.kind === "float") floats.push(Number(entry.value));
    if (entry.kind === "string") strings.push(entry.value);
    if (entry.kind === "tensor") tensors.push(entry.value);
    if (entry.kind === "graph") graphs.push(entry.value);
    if (entry.kind === "type") types.push(entry.value);
  }
  if (ints.length > 0 && ints.length === floats.length) return { kind: "ints", value: ints };
  if (floats.length > 0) return { kind: "floats", value: floats.map((x) => Math.fround(x)) };
  if (strings.length > 0) return { kind: "strings", value: strings };
  if (tensors.length > 0) return { kind: "tensors", value: tensors };
  return graphs.length > 0 ? { kind: "graphs", value: graphs } : { kind: "types", value: types };
}
