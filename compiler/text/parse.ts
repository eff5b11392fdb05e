import type { Func, Model, ModelHeader } from "../ir/model.ts";
import { Rewriter } from "../ir/rewriter.ts";
import { Lexer } from "./lexer.ts";
import { GraphParser } from "./parse-graph.ts";
import { Scope } from "./scope.ts";

export interface ParseOptions {
  /** The name of the text, for messages and locations. */
  readonly file?: string;
  /** The folder where external data lies. Without it, tensors with external data are as if the file were missing. */
  readonly folder?: string;
}

/**
 * Reads a model in ONNX's textual syntax, with the comments that `printModel` writes. Names may be read before they
 * are defined; whether nodes are in order and names unique is left to the verifier.
 *
 * @throws TfcError TEXT_SYNTAX, NAME_DANGLING, EXTERNAL_*
 */
export function parseModel(text: string, options: ParseOptions = {}): Model {
  const lexer = new Lexer(text, options.file);
  const parser = new GraphParser(lexer, new Rewriter(), options.file ?? "", options.folder);
  const fields = lexer.takes("<") ? parseFields(parser, modelFields) : new Map<string, Field>();
  const comment = lexer.last.comment;
  const scope = parser.graph("graph", null);
  const { rw } = parser;
  const model = rw.model(parser.loc(""), Number(fields.get("ir_version") ?? 0), scope.graph);
  scope.connect(rw);
  for (const [domain, version] of mapOf(fields, "opset_import")) rw.setOpset(model, domain, Number(version));
  for (const [key, value] of mapOf(fields, "metadata_props")) rw.setMeta(model, key, value.toString());
  rw.setHeader(model, headerOf(fields));
  parser.meta(model, comment);
  for (let i = 0; lexer.peek().kind !== "end"; i++) parseFunction(parser, model, `functions[${i}]`);
  return model;
}

function parseFunction(parser: GraphParser, model: Model, path: string): Func {
  const { lexer, rw } = parser;
  const fields = lexer.takes("<") ? parseFields(parser, functionFields) : new Map<string, Field>();
  const comment = lexer.last.comment;
  const at = lexer.peek();
  const name = lexer.name("the name of a function");
  const scope = new Scope(rw.graph(parser.loc(path), name), null);
  const parameters: string[] = [];
  const defaults = lexer.takes("<")
    ? parser.attributes(scope, path, (parameter) => parameters.push(parameter))
    : undefined;
  parser.body(scope, path);
  scope.connect(rw);
  const id = { name, domain: textOf(fields, "domain"), overload: textOf(fields, "overload") };
  const opsets = new Map(
    [...mapOf(fields, "opset_import")].map(([domain, version]) => [domain, Number(version)]),
  );
  const func = rw.func(parser.loc(path, name), id, scope.graph, opsets, {
    parameters,
    ...(defaults === undefined ? {} : { defaults }),
    docString: textOf(fields, "doc_string"),
  });
  parser.meta(func, comment);
  if (model.functions.has(func.key))
    throw lexer.error(`a function other than ${func.key}, which is there already`, at);
  rw.addFunction(model, func);
  return func;
}

/** The value of a header's field: text, a number, or a map. */
type Field = string | bigint | ReadonlyMap<string, string | bigint>;

const modelFields = {
  ir_version: "integer",
  opset_import: "integers",
  producer_name: "text",
  producer_version: "text",
  domain: "text",
  model_version: "integer",
  doc_string: "text",
  metadata_props: "texts",
} as const;

const functionFields = {
  domain: "text",
  overload: "text",
  opset_import: "integers",
  doc_string: "text",
} as const;

function parseFields(
  parser: GraphParser,
  known: Readonly<Record<string, "text" | "texts" | "integer" | "integers">>,
): ReadonlyMap<string, Field> {
  const { lexer } = parser;
  const fields = new Map<string, Field>();
  lexer.list(">", () => {
    const kind = Object.hasOwn(known, lexer.peek().text) ? known[lexer.peek().text] : undefined;
    if (kind === undefined) throw lexer.error(`one of the fields ${Object.keys(known).join(", ")}`);
    const key = lexer.next().text;
    lexer.expect(":");
    if (kind === "text") fields.set(key, lexer.string("text in quotes"));
    else if (kind === "integer") fields.set(key, lexer.integer());
    else fields.set(key, parseMap(lexer, kind === "integers"));
  });
  return fields;
}

function parseMap(lexer: Lexer, integers: boolean): ReadonlyMap<string, string | bigint> {
  const map = new Map<string, string | bigint>();
  lexer.expect("[");
  lexer.list("]", () => {
    const key = lexer.string("a key in quotes");
    lexer.expect(":");
    map.set(key, integers ? lexer.integer("a version") : lexer.string("a value in quotes"));
  });
  return map;
}

function mapOf(fields: ReadonlyMap<string, Field>, key: string): ReadonlyMap<string, string | bigint> {
  const field = fields.get(key);
  return field instanceof Map
    ? (field as ReadonlyMap<string, string | bigint>)
    : new Map<string, string | bigint>();
}

function textOf(fields: ReadonlyMap<string, Field>, key: string): string {
  const field = fields.get(key);
  return typeof field === "string" ? field : "";
}

/** What a model says of itself, as far as it says it. */
function headerOf(fields: ReadonlyMap<string, Field>): ModelHeader {
  const version = fields.get("model_version");
  const text = <K extends string>(key: string, name: K): Partial<Record<K, string>> =>
    fields.has(key) ? ({ [name]: textOf(fields, key) } as Partial<Record<K, string>>) : {};
  return {
    ...text("producer_name", "producerName"),
    ...text("producer_version", "producerVersion"),
    ...text("domain", "domain"),
    ...(typeof version === "bigint" ? { modelVersion: version } : {}),
    ...text("doc_string", "docString"),
  };
}
