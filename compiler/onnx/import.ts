import { placeOf, type Place } from "../diagnostics/diagnostic.ts";
import { inputError } from "../diagnostics/error.ts";
import type { Attribute } from "../ir/attribute.ts";
import type { Loc } from "../ir/entity.ts";
import type { Graph } from "../ir/graph.ts";
import { recursiveFunction } from "../ir/calls.ts";
import { functionKey, type Func, type Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { Rewriter } from "../ir/rewriter.ts";
import { tensorType } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { ExternalResolver } from "./external.ts";
import { importAttribute } from "./import-attribute.ts";
import { importTensor } from "./import-tensor.ts";
import { importType } from "./import-type.ts";
import { toNumber } from "./numbers.ts";
import {
  copyMessage,
  decode,
  entriesOf,
  type AttributeMessage,
  type Entry,
  type FunctionMessage,
  type GraphMessage,
  type ModelMessage,
  type NodeMessage,
  type TensorMessage,
  type ValueInfoMessage,
} from "./schema.ts";
import { compact } from "./skeleton.ts";
import { FileSource } from "./source.ts";

/**
 * What the IR keeps of a GraphProto besides what it models: the message without nodes, initializers, inputs and
 * outputs; the message of each output; and `value_info` in its order, with the value each entry is about.
 */
export interface GraphSource {
  readonly message: GraphMessage;
  readonly outputs: readonly ValueInfoMessage[];
  readonly declared: readonly { readonly message: ValueInfoMessage; readonly value: Value | null }[];
}

/** A model and what importing it showed. */
export interface Imported {
  readonly model: Model;
  /** External locations whose file is missing, with the number of tensors that need each. */
  readonly missing: ReadonlyMap<string, number>;
}

/**
 * Reads a model file. No weight is read: inline tensors are byte ranges of the file, external ones of theirs.
 *
 * @throws TfcError FILE_*, EXTERNAL_*, MODEL_HAS_NO_GRAPH, NAME_DUPLICATE, NAME_DANGLING, FUNCTION_RECURSIVE
 */
export function importModel(file: string): Imported {
  const source = new FileSource(file);
  let message: ModelMessage;
  try {
    message = decodeModel(compact(source), file);
  } finally {
    source.close();
  }
  if (!message.graph) throw inputError("MODEL_HAS_NO_GRAPH", { file }, {});
  const external = new ExternalResolver(file);
  const model = new Importer(file, external).model(message, message.graph);
  return { model, missing: external.missing };
}

function decodeModel(skeleton: Uint8Array, file: string): ModelMessage {
  try {
    return decode("ModelProto", skeleton);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_ONNX", { file }, { why: `messages that do not decode (${why})` }, cause);
  }
}

/** @throws TfcError FILE_NOT_ONNX */
function readMeta({ metadataProps }: NodeMessage, place: Place): Map<string, string> {
  try {
    return new Map(entriesOf(metadataProps).map(({ key, value }) => [key ?? "", value ?? ""]));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_ONNX", place, { why: `metadata that does not decode (${why})` }, cause);
  }
}

/** Names of one graph; a name that is not found is looked up in the graph around. */
class Scope {
  readonly #values = new Map<string, Value>();
  readonly #outer: Scope | null;

  constructor(outer: Scope | null) {
    this.#outer = outer;
  }

  get(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#outer?.get(name);
  }

  local(name: string): Value | undefined {
    return this.#values.get(name);
  }

  define(name: string, value: Value, file: string): void {
    const first = this.#values.get(name);
    if (first !== undefined) {
      throw inputError(
        "NAME_DUPLICATE",
        { file, path: value.loc.path, name },
        { name, first: first.loc.path },
      );
    }
    this.#values.set(name, value);
  }
}

class Importer {
  readonly #file: string;
  readonly #external: ExternalResolver;
  readonly #rw = new Rewriter();

  constructor(file: string, external: ExternalResolver) {
    this.#file = file;
    this.#external = external;
  }

  model(message: ModelMessage, graphMessage: GraphMessage): Model {
    const graph = this.#rw.graph(this.#loc("graph"), graphMessage.name ?? "");
    const model = this.#rw.model(this.#loc(""), toNumber(message.irVersion), graph);
    for (const entry of message.opsetImport ?? []) {
      this.#rw.setOpset(model, entry.domain ?? "", toNumber(entry.version));
    }
    this.#meta(model, message.metadataProps);
    this.#rw.setSource(model, copyMessage("ModelProto", message, ["graph", "functions"]));
    this.#graph(graph, graphMessage, null, "graph");
    for (const [i, func] of (message.functions ?? []).entries()) {
      this.#rw.addFunction(model, this.#function(func, `functions[${i}]`, model));
    }
    const recursive = recursiveFunction(model);
    if (recursive !== null) {
      const place = { file: this.#file, path: recursive.loc.path, name: recursive.name };
      throw inputError("FUNCTION_RECURSIVE", place, { name: recursive.key });
    }
    return model;
  }

  #loc(path: string, name?: string | null): Loc {
    return {
      file: this.#file,
      path,
      ...(name === undefined || name === null || name === "" ? {} : { name }),
    };
  }

  #meta(entity: Model | Graph | Func, entries: readonly Entry[] | null | undefined): void {
    for (const entry of entries ?? []) this.#rw.setMeta(entity, entry.key ?? "", entry.value ?? "");
  }

  #graph(graph: Graph, message: GraphMessage, outer: Scope | null, path: string): void {
    const scope = new Scope(outer);
    for (const [i, input] of (message.input ?? []).entries()) {
      const value = this.#declare(scope, input.name ?? "", `${path}.input[${i}]`);
      this.#typeFrom(value, input);
      this.#rw.addInput(graph, value);
    }
    for (const [i, tensor] of (message.initializer ?? []).entries()) {
      this.#initializer(graph, scope, tensor, `${path}.initializer[${i}]`);
    }
    for (const [i, sparse] of (message.sparseInitializer ?? []).entries()) {
      this.#rw.adopt(
        graph,
        this.#declare(scope, sparse.values?.name ?? "", `${path}.sparse_initializer[${i}]`),
      );
    }
    this.#nodes(graph, message.node ?? [], scope, path);
    const declared = this.#valueInfo(scope, message.valueInfo ?? []);
    const outputs = message.output ?? [];
    for (const [i, output] of outputs.entries()) {
      const value = this.#find(scope, output.name ?? "", `${path}.output[${i}]`);
      if (output.type || value.type === undefined) this.#typeFrom(value, output);
      this.#rw.setOutput(graph, i, value);
    }
    this.#meta(graph, message.metadataProps);
    const rest = copyMessage("GraphProto", message, ["node", "initializer", "input", "output", "valueInfo"]);
    this.#rw.setSource(graph, { message: rest, outputs, declared } satisfies GraphSource);
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

  #typeFrom(value: Value, message: ValueInfoMessage): void {
    if (message.type) this.#rw.setType(value, importType(message.type));
    this.#rw.setSource(value, message);
  }

  #valueInfo(scope: Scope, messages: readonly ValueInfoMessage[]): GraphSource["declared"] {
    return messages.map((message) => {
      const value = scope.local(message.name ?? "") ?? null;
      if (value !== null && value.type === undefined) this.#typeFrom(value, message);
      return { message, value };
    });
  }

  #initializer(graph: Graph, scope: Scope, message: TensorMessage, path: string): void {
    const name = message.name ?? "";
    const tensor = importTensor(message, this.#external, path);
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

  #nodes(graph: Graph, messages: readonly NodeMessage[], scope: Scope, path: string): void {
    // All outputs are named before any input is looked up: a node out of order is then reported as such by the
    // verifier, with both places, and not as an undefined name.
    const nodes = messages.map((message, i) => this.#node(graph, message, scope, `${path}.node[${i}]`));
    nodes.forEach((node, i) => {
      const message = messages[i];
      if (message === undefined) return;
      for (const [j, name] of (message.input ?? []).entries()) {
        this.#rw.setInput(node, j, name === "" ? null : this.#find(scope, name, node.loc.path));
      }
      for (const attr of message.attribute ?? []) {
        this.#checkAttribute(node, attr.name ?? "");
        this.#rw.setAttribute(node, attr.name ?? "", this.#attribute(attr, scope, node.loc.path));
      }
    });
  }

  #node(graph: Graph, message: NodeMessage, scope: Scope, path: string): Node {
    const rest = copyMessage("NodeProto", message, ["input", "output", "attribute"]);
    const node = this.#rw.node({
      op: message.opType ?? "",
      domain: message.domain ?? "",
      overload: message.overload ?? "",
      ...(message.name ? { name: message.name } : {}),
      inputs: [],
      outputs: (message.output ?? []).map((name) => (name === "" ? undefined : name)),
      loc: this.#loc(path, message.name),
      source: rest,
      ...(message.metadataProps?.length ? { meta: () => readMeta(rest, { file: this.#file, path }) } : {}),
    });
    for (const value of node.outputs)
      if (value.name !== undefined) scope.define(value.name, value, this.#file);
    return this.#rw.append(graph, node);
  }

  #attribute(message: AttributeMessage, scope: Scope, path: string): Attribute {
    const place = `${path}.attribute[${message.name ?? ""}]`;
    const graph = (g: GraphMessage, i?: number): Graph => {
      const at = i === undefined ? place : `${place}[${i}]`;
      const inner = this.#rw.graph(this.#loc(at), g.name ?? "");
      this.#graph(inner, g, scope, at);
      return inner;
    };
    return importAttribute(message, (t) => importTensor(t, this.#external, place), graph);
  }

  #checkAttribute(node: Node, name: string): void {
    if (!node.attributes.has(name)) return;
    const [place, first] = [placeOf(node), `${node.loc.path}.attribute[${name}]`];
    throw inputError("NAME_DUPLICATE", place, { name, first, of: "attribute" });
  }

  #function(message: FunctionMessage, path: string, model: Model): Func {
    const id = { domain: message.domain ?? "", name: message.name ?? "", overload: message.overload ?? "" };
    const key = functionKey(id);
    const first = model.functions.get(key);
    if (first !== undefined) {
      throw inputError(
        "NAME_DUPLICATE",
        { file: this.#file, path, name: key },
        { name: key, first: first.loc.path, of: "function" },
      );
    }
    const body = this.#rw.graph(this.#loc(path), id.name);
    const scope = new Scope(null);
    for (const [i, name] of (message.input ?? []).entries()) {
      this.#rw.addInput(body, this.#declare(scope, name, `${path}.input[${i}]`));
    }
    this.#nodes(body, message.node ?? [], scope, path);
    const declared = this.#valueInfo(scope, message.valueInfo ?? []);
    for (const [i, name] of (message.output ?? []).entries()) {
      this.#rw.setOutput(body, i, this.#find(scope, name, `${path}.output[${i}]`));
    }
    const opsets = new Map((message.opsetImport ?? []).map((o) => [o.domain ?? "", toNumber(o.version)]));
    const defaults = new Map(
      (message.attributeProto ?? []).map((a) => [a.name ?? "", this.#attribute(a, scope, path)] as const),
    );
    const func = this.#rw.func(this.#loc(path, id.name), id, body, opsets, {
      parameters: message.attribute ?? [],
      defaults,
    });
    this.#meta(func, message.metadataProps);
    const rest = copyMessage("FunctionProto", message, [
      "input",
      "output",
      "node",
      "valueInfo",
      "attributeProto",
    ]);
    this.#rw.setSource(func, rest);
    this.#rw.setSource(body, { message: {}, outputs: [], declared } satisfies GraphSource);
    return func;
  }
}
