import { placeOf, type Place } from "../diagnostics/diagnostic.ts";
import { inputError, TfcError } from "../diagnostics/error.ts";
import type { Attribute } from "../ir/attribute.ts";
import { recursiveFunction } from "../ir/calls.ts";
import type { Loc } from "../ir/entity.ts";
import type { Declarations, Graph } from "../ir/graph.ts";
import { functionKey, type Func, type Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { Rewriter } from "../ir/rewriter.ts";
import { tensorType } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { ExternalResolver } from "./external.ts";
import { VALUE_INFO } from "./ids.ts";
import { Scope } from "./import-scope.ts";
import { importAttribute, type AttributeParts } from "./import-attribute.ts";
import { importTensor, readEntry, type TensorContext } from "./import-tensor.ts";
import { TypeImporter } from "./import-type.ts";
import {
  contentsOf,
  readFunction,
  readGraph,
  readModel,
  readNode,
  type FunctionFields,
  type GraphFields,
  type ModelFields,
  type Range,
} from "./read.ts";
import { compact, whole } from "./skeleton.ts";
import { FileSource } from "./source.ts";
import { stampOf, type Stamp } from "./stamp.ts";
import { TooDeep, tooDeep } from "./too-deep.ts";
import { BYTES, checkEnd, endOf, fieldsIn, readerOf, skip, tagOf, type Reader } from "./wire.ts";

/** A model and what importing it showed. */
export interface Imported {
  readonly model: Model;
  /** External locations whose file is missing, with the number of tensors that need each. */
  readonly missing: ReadonlyMap<string, number>;
  /** The files that it and its weights are in, as they were before. */
  readonly stamps: ReadonlyMap<string, Stamp>;
}

/** Files up to this size are read as they are; of larger ones long raw data is left on disk. */
const SMALL = 1 << 25;

/** Graphs inside each other: three messages each, of the hundred at which protobuf's own readers stop. */
const DEPTH = 33;

/**
 * Reads a model file. No weight is read: inline tensors are byte ranges of the file, external ones of theirs.
 *
 * @param small files up to this many bytes are read whole, which is faster; where weights are is the same
 * @throws TfcError FILE_*, EXTERNAL_*, MODEL_HAS_NO_GRAPH, NAME_DUPLICATE, NAME_DANGLING, FUNCTION_RECURSIVE
 */
export function importModel(file: string, small = SMALL): Imported {
  const source = new FileSource(file);
  const stamp = stampOf(file);
  let bytes: Uint8Array;
  const isSmall = source.size <= small;
  try {
    bytes = isSmall ? whole(source) : compact(source);
  } finally {
    source.close();
  }
  const external = new ExternalResolver(file);
  try {
    const model = new Importer(bytes, { external, whole: isSmall ? file : null }).model();
    const stamps = new Map([...external.stamps, ...(stamp === null ? [] : [[file, stamp] as const])]);
    return { model, missing: external.missing, stamps };
  } catch (cause) {
    const failure = broken(cause, { file }, "messages that do not decode");
    if (failure !== cause && isSmall) checkFields(file);
    throw failure;
  }
}

/** Says of a file that does not decode where its fields end, if that is what is wrong: the walk over them knows. */
function checkFields(file: string): void {
  const source = new FileSource(file);
  try {
    compact(source);
  } finally {
    source.close();
  }
}

/** What protobufjs says of bytes that are no message, as an error of the file. */
function broken(cause: unknown, place: Place, what: string): unknown {
  if (cause instanceof TooDeep) return tooDeep(cause, place);
  if (cause instanceof TfcError || !(cause instanceof Error) || !isWireError(cause)) return cause;
  return inputError("FILE_NOT_ONNX", place, { why: `${what} (${cause.message})` }, cause);
}

/** The reader throws a RangeError behind the end, and a plain Error at what is no field. */
function isWireError(cause: Error): boolean {
  return (
    cause instanceof RangeError || /^(invalid|max depth|illegal|unexpected|index out of)/.test(cause.message)
  );
}

/** @throws TfcError FILE_NOT_ONNX */
function readMeta(message: Uint8Array, place: Place): Map<string, string> {
  const META = 9;
  try {
    const r = readerOf(message);
    return new Map(
      fieldsIn(message)
        .filter(({ id, wire }) => id === META && wire === BYTES)
        .map(({ content, end }) => {
          r.pos = content;
          const { key = "", value = "" } = readEntry(r, end);
          return [key, value];
        }),
    );
  } catch (cause) {
    throw broken(cause, place, "metadata that does not decode");
  }
}

class Importer {
  readonly #file: string;
  readonly #context: TensorContext;
  readonly #r: Reader;
  readonly #rw = new Rewriter();
  readonly #types = new TypeImporter();
  readonly #strings = new Map<string, string>();

  constructor(bytes: Uint8Array, context: TensorContext) {
    this.#file = context.external.model;
    this.#context = context;
    this.#r = readerOf(bytes);
  }

  model(): Model {
    const message = readModel(this.#r, this.#r.len);
    const fields = this.#graphFields(message.graphs);
    const graph = this.#rw.graph(this.#loc("graph"), fields.name);
    const model = this.#rw.model(this.#loc(""), message.irVersion, graph);
    this.#header(model, message);
    this.#graph(graph, fields, null, "graph");
    for (const [i, [start, end]] of message.functions.entries()) {
      this.#r.pos = start;
      const func = readFunction(this.#r, end);
      this.#rw.addFunction(model, this.#function(func, `functions[${i}]`, model));
    }
    const recursive = recursiveFunction(model);
    if (recursive !== null) {
      const place = { file: this.#file, path: recursive.loc.path, name: recursive.name };
      throw inputError("FUNCTION_RECURSIVE", place, { name: recursive.key });
    }
    return model;
  }

  #header(model: Model, message: ModelFields): void {
    for (const [domain, version] of message.opsets) this.#rw.setOpset(model, domain, version);
    this.#rw.setHeader(model, message.header);
    this.#meta(model, message.meta);
    this.#rw.setSource(model, message.rest.bytes(this.#r.buf));
  }

  /** The graph of all parts: a message that stands in its place several times is the one that all fields make. */
  #graphFields(parts: readonly Range[]): GraphFields {
    let fields: GraphFields | undefined;
    for (const [start, end] of parts) {
      this.#r.pos = start;
      fields = readGraph(this.#r, end, fields);
    }
    if (fields === undefined) throw inputError("MODEL_HAS_NO_GRAPH", { file: this.#file }, {});
    return fields;
  }

  #loc(path: string, name?: string): Loc {
    return name === undefined || name === "" ? { file: this.#file, path } : { file: this.#file, path, name };
  }

  #meta(entity: Model | Graph | Func, entries: readonly (readonly [string, string])[]): void {
    for (const [key, value] of entries) this.#rw.setMeta(entity, key, value);
  }

  #graph(graph: Graph, message: GraphFields, outer: Scope | null, path: string): void {
    const scope = new Scope(outer);
    if (scope.depth > DEPTH) throw new TooDeep(`${DEPTH} graphs`);
    for (const [i, input] of message.inputs.entries()) {
      const [name, type] = this.#valueInfo(input);
      const value = this.#declare(scope, name, `${path}.input[${i}]`);
      this.#typeFrom(value, input, type);
      this.#rw.addInput(graph, value);
    }
    for (const [i, tensor] of message.initializers.entries()) {
      this.#initializer(graph, scope, tensor, `${path}.initializer[${i}]`);
    }
    for (const [i, sparse] of message.sparse.entries()) {
      const place = `${path}.sparse_initializer[${i}]`;
      this.#rw.adopt(graph, this.#declare(scope, this.#sparseName(sparse), place));
    }
    this.#nodes(graph, message.nodes, scope, path);
    const values = this.#valueInfos(scope, message.valueInfo);
    for (const [i, output] of message.outputs.entries()) {
      const [name, type] = this.#valueInfo(output);
      const value = this.#find(scope, name, `${path}.output[${i}]`);
      if (type !== null || value.type === undefined) this.#typeFrom(value, output, type);
      this.#rw.setOutput(graph, i, value);
    }
    this.#meta(graph, message.meta);
    this.#rw.setSource(graph, message.rest.bytes(this.#r.buf));
    const outputs = message.outputs.map((range) => this.#slice(range));
    this.#rw.setDeclared(graph, { outputs, values });
  }

  #slice([start, end]: Range): Uint8Array {
    // No subarray of a Buffer, which is another Buffer, and takes longer to make: each message has one.
    const { buffer, byteOffset } = this.#r.buf;
    return new Uint8Array(buffer, byteOffset + start, end - start);
  }

  /** The name of a ValueInfoProto, and where its type is. */
  #valueInfo([start, end]: Range): readonly [name: string, type: Range | null] {
    const r = this.#r;
    let name = "";
    let type: Range | null = null;
    r.pos = start;
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag === tagOf(VALUE_INFO.name, BYTES)) name = r.string();
      else if (tag === tagOf(VALUE_INFO.type, BYTES)) {
        const last = endOf(r);
        type = [r.pos, last];
        r.pos = last;
      } else skip(r, tag);
    }
    checkEnd(r, end);
    return [name, type];
  }

  #sparseName([start, end]: Range): string {
    const values = contentsOf(this.#r, start, end, 1).at(-1);
    const name = values === undefined ? undefined : contentsOf(this.#r, ...values, 8).at(-1);
    return name === undefined ? "" : Buffer.from(this.#slice(name)).toString("utf8");
  }

  #declare(scope: Scope, name: string, path: string): Value {
    const value = this.#rw.value(this.#loc(path, name), name);
    scope.define(name, value, this.#file);
    return value;
  }

  #find(scope: Scope, name: string, path: string): Value {
    const value = scope.get(name);
    if (value === undefined) throw inputError("NAME_DANGLING", { file: this.#file, path, name }, { name });
    return value;
  }

  #typeFrom(value: Value, message: Range, type: Range | null): void {
    if (type !== null) {
      this.#r.pos = type[0];
      this.#rw.setType(value, this.#types.type(this.#r, type[1]));
    }
    this.#rw.setSource(value, this.#slice(message));
  }

  #valueInfos(scope: Scope, messages: readonly Range[]): Declarations["values"] {
    return messages.map((message) => {
      const [name, type] = this.#valueInfo(message);
      const value = scope.local(name) ?? null;
      if (value !== null && value.type === undefined) this.#typeFrom(value, message, type);
      return { message: this.#slice(message), value };
    });
  }

  #initializer(graph: Graph, scope: Scope, [start, end]: Range, path: string): void {
    this.#r.pos = start;
    const { name, tensor } = importTensor(this.#r, end, this.#context, path);
    // An initializer named like an input is that input's default.
    const input = scope.local(name);
    if (input?.graph === graph && input.constant === undefined) {
      this.#rw.setConstant(input, tensor);
      this.#rw.addInitializer(graph, input);
      return;
    }
    const value = this.#declare(scope, name, path);
    this.#rw.setConstant(value, tensor);
    this.#rw.setType(value, tensorType(tensor.dtype, tensor.shape));
    this.#rw.addInitializer(graph, value);
  }

  #nodes(graph: Graph, messages: readonly Range[], scope: Scope, path: string): void {
    // All outputs are named before any input is looked up: a node out of order is then reported as such by the
    // verifier, with both places, and not as an undefined name.
    const nodes = messages.map((message, i) => this.#node(graph, message, scope, `${path}.node[${i}]`));
    for (const { node, inputs, attributes } of nodes) {
      for (const [j, name] of inputs.entries()) {
        this.#rw.setInput(node, j, name === "" ? null : this.#find(scope, name, node.loc.path));
      }
      for (const range of attributes) {
        const { name, attribute } = this.#attribute(range, scope, node.loc.path);
        this.#checkAttribute(node, name);
        this.#rw.setAttribute(node, name, attribute);
      }
    }
  }

  #node(
    graph: Graph,
    [start, end]: Range,
    scope: Scope,
    path: string,
  ): { readonly node: Node; readonly inputs: readonly string[]; readonly attributes: readonly Range[] } {
    this.#r.pos = start;
    const { inputs, outputs, attributes, name, opType, domain, overload, hasMeta } = readNode(this.#r, end);
    const source = this.#slice([start, end]);
    const node = this.#rw.node({
      op: this.#shared(opType),
      domain: this.#shared(domain),
      overload,
      ...(name === "" ? {} : { name }),
      inputs: [],
      outputs: outputs.map((output) => (output === "" ? undefined : output)),
      loc: this.#loc(path, name),
      source,
      ...(hasMeta ? { meta: () => readMeta(source, { file: this.#file, path }) } : {}),
    });
    for (const value of node.outputs)
      if (value.name !== undefined) scope.define(value.name, value, this.#file);
    this.#rw.append(graph, node);
    return { node, inputs, attributes };
  }

  /** One string for all equal ones: tables of ops are asked for it all the time, and compare it at once. */
  #shared(text: string): string {
    const known = this.#strings.get(text);
    if (known === undefined) this.#strings.set(text, text);
    return known ?? text;
  }

  #attribute(
    [start, end]: Range,
    scope: Scope,
    path: string,
  ): { readonly name: string; readonly attribute: Attribute } {
    const place = (name: string): string => `${path}.attribute[${name}]`;
    const parts: AttributeParts = {
      tensor: (r, last, name) => importTensor(r, last, this.#context, place(name)).tensor,
      graph: (r, last, name, i) => {
        const at = i === undefined ? place(name) : `${place(name)}[${i}]`;
        const fields = readGraph(r, last);
        const inner = this.#rw.graph(this.#loc(at), fields.name);
        this.#graph(inner, fields, scope, at);
        return inner;
      },
      type: (r, last) => this.#types.type(r, last),
    };
    this.#r.pos = start;
    return importAttribute(this.#r, end, parts);
  }

  #checkAttribute(node: Node, name: string): void {
    if (!node.attributes.has(name)) return;
    const [place, first] = [placeOf(node), `${node.loc.path}.attribute[${name}]`];
    throw inputError("NAME_DUPLICATE", place, { name, first, of: "attribute" });
  }

  #function(message: FunctionFields, path: string, model: Model): Func {
    const { name, domain, overload, docString, parameters, opsets } = message;
    const id = { domain, name, overload };
    const key = functionKey(id);
    const first = model.functions.get(key);
    if (first !== undefined) {
      throw inputError(
        "NAME_DUPLICATE",
        { file: this.#file, path, name: key },
        { name: key, first: first.loc.path, of: "function" },
      );
    }
    const body = this.#rw.graph(this.#loc(path), name);
    const scope = new Scope(null);
    for (const [i, input] of message.inputs.entries()) {
      this.#rw.addInput(body, this.#declare(scope, input, `${path}.input[${i}]`));
    }
    this.#nodes(body, message.nodes, scope, path);
    const values = this.#valueInfos(scope, message.valueInfo);
    for (const [i, output] of message.outputs.entries()) {
      this.#rw.setOutput(body, i, this.#find(scope, output, `${path}.output[${i}]`));
    }
    const defaults = new Map(
      message.defaults.map((range) => {
        const found = this.#attribute(range, scope, path);
        return [found.name, found.attribute] as const;
      }),
    );
    const func = this.#rw.func(this.#loc(path, name), id, body, new Map(opsets), {
      parameters,
      defaults,
      docString,
    });
    this.#meta(func, message.meta);
    this.#rw.setSource(func, message.rest.bytes(this.#r.buf));
    this.#rw.setDeclared(body, { outputs: [], values });
    return func;
  }
}
