import type { Attribute } from "../ir/attribute.ts";
import type { Entity, Loc } from "../ir/entity.ts";
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Tensor } from "../ir/tensor.ts";
import { tensorType, type ValueType } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { TfcError } from "../diagnostics/error.ts";
import { splitComment, type LineMeta } from "./comments.ts";
import { Lexer } from "./lexer.ts";
import { parseAttribute } from "./parse-attribute.ts";
import { TensorParser } from "./parse-tensor.ts";
import { parseType, seesType } from "./parse-type.ts";
import { describe, Scope, type Declared } from "./scope.ts";

/** An entry of a graph's head: `float[2] x`, or with values `float[2] w = {1.0, 2.0}`. */
interface Entry extends Declared {
  readonly tensor?: Tensor;
}

/** Reads graphs and nodes into the IR. */
export class GraphParser {
  readonly lexer: Lexer;
  readonly rw: Rewriter;
  readonly tensors: TensorParser;
  readonly #file: string;

  constructor(lexer: Lexer, rw: Rewriter, file: string, folder: string | undefined) {
    this.lexer = lexer;
    this.rw = rw;
    this.#file = file;
    this.tensors = new TensorParser(lexer, file === "" ? "model.onnx" : file, folder);
  }

  loc(path: string, name = ""): Loc {
    return { file: this.#file, path, ...(name === "" ? {} : { name }) };
  }

  /** A graph with its name. The uses in it are connected with the outermost graph's. */
  graph(path: string, outer: Scope | null): Scope {
    const scope = new Scope(this.rw.graph(this.loc(path), this.lexer.name("the name of a graph")), outer);
    this.lexer.inside(() => {
      this.body(scope, path);
    });
    return scope;
  }

  /** What follows the name: inputs, outputs, initializers and types, nodes. */
  body(scope: Scope, path: string): void {
    this.lexer.expect("(");
    for (const [i, entry] of this.#entries(")", path).entries())
      this.#input(scope, entry, `${path}.input[${i}]`);
    this.lexer.expect("=>");
    this.lexer.expect("(");
    scope.outputs.push(...this.#entries(")", null));
    if (this.lexer.takes("<")) {
      for (const entry of this.#entries(">", path)) this.#initializer(scope, entry, path);
    }
    this.lexer.expect("{");
    this.meta(scope.graph, this.lexer.last.comment);
    for (let i = 0; !this.lexer.takes("}"); i++) this.#node(scope, `${path}.node[${i}]`);
  }

  /** Attributes between `<` and `>`; `bare` takes a name that has no value. */
  attributes(scope: Scope, path: string, bare?: (name: string) => void): Map<string, Attribute> {
    const attributes = new Map<string, Attribute>();
    do {
      const name = this.lexer.name("the name of an attribute");
      if (bare !== undefined && !this.lexer.sees("=") && !this.lexer.sees(":")) {
        bare(name);
        continue;
      }
      const graph = (at: string): Graph => this.graph(at, scope).graph;
      const context = { lexer: this.lexer, tensors: this.tensors, graph };
      attributes.set(name, parseAttribute(context, `${path}.attribute[${name}]`));
    } while (this.lexer.takes(","));
    this.lexer.expect(">");
    return attributes;
  }

  /** Sets the metadata that a comment gives its line's subject. */
  meta(entity: Entity, comment: string | undefined): void {
    for (const [key, value] of metaOf(comment).get("own") ?? []) this.rw.setMeta(entity, key, value);
  }

  /** Entries of a head; only those of a graph at `path` may have values. Metadata may stand behind the comma. */
  #entries(close: string, path: string | null): Entry[] {
    const entries: Entry[] = [];
    if (this.lexer.takes(close)) return entries;
    let more = true;
    while (more) {
      const type = seesType(this.lexer) || this.lexer.sees("?") ? parseType(this.lexer) : undefined;
      const name = this.lexer.name("the name of a value");
      const tensor =
        path !== null && this.lexer.takes("=")
          ? this.tensors.content(type, `${path}.initializer`, name)
          : undefined;
      let comment = this.lexer.last.comment;
      more = this.lexer.takes(",");
      if (more) comment ??= this.lexer.last.comment;
      entries.push({ name, type, meta: metaOf(comment), ...(tensor === undefined ? {} : { tensor }) });
    }
    this.lexer.expect(close);
    return entries;
  }

  #input(scope: Scope, entry: Entry, path: string): void {
    const value = this.rw.value(this.loc(path, entry.name), entry.name);
    describe(this.rw, value, entry);
    this.rw.addInput(scope.graph, value);
    scope.define(entry.name, value);
    if (entry.tensor !== undefined) this.#default(scope, value, entry.tensor);
  }

  /** An entry behind the outputs: an initializer if it has values, else the type of a value. */
  #initializer(scope: Scope, entry: Entry, path: string): void {
    if (entry.tensor === undefined) {
      scope.infos.push(entry);
      return;
    }
    const input = scope.local(entry.name);
    if (input !== undefined && input.constant === undefined) {
      this.#default(scope, input, entry.tensor);
      return;
    }
    const loc = this.loc(`${path}.initializer[${scope.graph.initializers.size}]`, entry.name);
    const value = this.rw.value(
      loc,
      entry.name,
      tensorType(entry.tensor.dtype, entry.tensor.shape),
      entry.tensor,
    );
    describe(this.rw, value, { type: undefined, meta: entry.meta });
    this.rw.addInitializer(scope.graph, value);
    scope.define(entry.name, value);
  }

  #default(scope: Scope, input: Value, tensor: Tensor): void {
    this.rw.setConstant(input, tensor);
    this.rw.addInitializer(scope.graph, input);
  }

  #node(scope: Scope, path: string): void {
    const name = this.#label();
    const outputs = this.#names();
    this.lexer.expect("=");
    const node = this.rw.node({
      ...this.#operator(),
      ...(name === "" ? {} : { name }),
      inputs: [],
      outputs: outputs.map((output) => (output === "" ? undefined : output)),
      loc: this.loc(path, name),
    });
    const before = this.lexer.takes("<") ? this.attributes(scope, path) : null;
    this.lexer.expect("(");
    scope.reads(node, this.#names());
    this.lexer.expect(")");
    const attributes = before ?? (this.lexer.takes("<") ? this.attributes(scope, path) : []);
    for (const [key, attr] of attributes) this.rw.setAttribute(node, key, attr);
    this.#comment(node, this.lexer.last.comment);
    for (const value of node.outputs) if (value.name !== undefined) scope.define(value.name, value);
    this.rw.append(scope.graph, node);
  }

  #label(): string {
    if (!this.lexer.takes("[")) return "";
    const name = this.lexer.name("the name of a node");
    this.lexer.expect("]");
    return name;
  }

  /** Names between commas, possibly none. An empty name stands for a value left out, and so does no name. */
  #names(): string[] {
    const names: string[] = [];
    do {
      const { kind } = this.lexer.peek();
      if (kind === "word" || kind === "string") names.push(this.lexer.next().text);
      else if (this.lexer.sees(",")) names.push("");
      else break;
    } while (this.lexer.takes(","));
    return names;
  }

  #operator(): { readonly domain: string; readonly op: string; readonly overload: string } {
    const parts = [this.lexer.name("an operator")];
    while (this.lexer.takes(".")) parts.push(this.lexer.name("an operator"));
    const op = parts.pop() ?? "";
    const overload = this.lexer.takes(":") ? this.lexer.name("the overload of a function") : "";
    return { domain: parts.join("."), op, overload };
  }

  #comment(node: Node, comment: string | undefined): void {
    if (comment === undefined) return;
    const { types, meta } = splitComment(comment);
    for (const [i, type] of typesOf(types).entries()) {
      const value = node.output(i);
      if (value !== null && type !== undefined) this.rw.setType(value, type);
    }
    this.meta(node, comment);
    for (const [i, value] of node.outputs.entries()) {
      for (const [key, text] of meta.get(i) ?? []) this.rw.setMeta(value, key, text);
    }
  }
}

function metaOf(comment: string | undefined): LineMeta {
  return comment === undefined ? new Map() : splitComment(comment).meta;
}

/** The types that a comment holds; none when it is prose. */
function typesOf(comment: string): (ValueType | undefined)[] {
  if (!/^(?:\?|[a-z]\w*)/.test(comment) || comment.startsWith("from ")) return [];
  const lexer = new Lexer(comment);
  const types: (ValueType | undefined)[] = [];
  try {
    do types.push(parseType(lexer));
    while (lexer.takes(","));
    const { kind, text } = lexer.peek();
    return kind === "end" || text === "from" ? types : [];
  } catch (error) {
    // Prose may begin like a type; that it is no list of types is what was to be found out.
    if (error instanceof TfcError) return [];
    throw error;
  }
}
