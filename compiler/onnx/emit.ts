import type { Attribute } from "../ir/attribute.ts";
import type { Graph } from "../ir/graph.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { Message, type Own } from "./emit-fields.ts";
import { Untouched } from "./emit-same.ts";
import { emitTensor } from "./emit-tensor.ts";
import { emitType } from "./emit-type.ts";
import { ATTRIBUTE, FUNCTION, GRAPH, MODEL, NODE, VALUE_INFO } from "./ids.ts";
import { attributeTypes } from "./import-attribute.ts";
import { nameNodes, nameValues } from "./names.ts";
import { expand, type Piece } from "./skeleton.ts";
import { newWriter, type Writer } from "./wire.ts";

/**
 * Serializes a model: pieces of bytes and of file ranges, to be written in order. What was imported and not
 * touched comes out as it went in, since the bytes of every message stay with what was made of it, and only fields
 * that differ are written anew.
 */
export function emitModel(model: Model): { readonly pieces: readonly Piece[]; readonly size: number } {
  const w = newWriter();
  new Emitter(w).model(model);
  return expand(w.finish());
}

/** The names that values are emitted under, and what is as it was imported under these. */
class Names {
  readonly #names: ReadonlyMap<Value, string>;
  readonly #nodes: ReadonlyMap<Node, string>;
  readonly untouched: Untouched;

  constructor(graph: Graph) {
    this.#names = nameValues(graph);
    this.#nodes = nameNodes(graph, this.#names);
    this.untouched = new Untouched(this.#names);
  }

  get(value: Value): string | undefined {
    return this.#names.get(value);
  }

  ofNode(node: Node): string | undefined {
    return this.#nodes.get(node) ?? node.name;
  }
}

class Emitter {
  readonly #w: Writer;

  constructor(w: Writer) {
    this.#w = w;
  }

  model(model: Model): void {
    const message = new Message(this.#w, model.source);
    const { header } = model;
    const names = new Names(model.graph);
    message.write([
      message.integer(MODEL.irVersion, model.irVersion),
      message.text(MODEL.producerName, header.producerName),
      message.text(MODEL.producerVersion, header.producerVersion),
      message.text(MODEL.domain, header.domain),
      message.integer(MODEL.modelVersion, header.modelVersion ?? 0n),
      message.text(MODEL.docString, header.docString),
      message.nested(MODEL.graph, [model.graph], (graph) => {
        this.#graph(graph, names);
      }),
      message.opsets(MODEL.opsetImport, model.opsets),
      message.entries(MODEL.metadataProps, model.meta),
      message.nested(MODEL.functions, [...model.functions.values()], (func) => {
        this.#function(func);
      }),
    ]);
  }

  #graph(graph: Graph, names: Names): void {
    const message = new Message(this.#w, graph.source);
    message.write([
      message.nested(GRAPH.node, graph.nodes, (node) => {
        this.#node(node, names);
      }),
      message.text(GRAPH.name, graph.name),
      message.nested(GRAPH.initializer, graph.initializers, (value) => {
        const { constant } = value;
        if (constant !== undefined) emitTensor(this.#w, constant, names.get(value));
      }),
      message.nested(GRAPH.input, graph.inputs, (value) => {
        this.#valueInfo(value, names, value.source);
      }),
      message.nested(GRAPH.output, graph.outputs, (value, _, i) => {
        this.#valueInfo(value, names, graph.declared?.outputs[i]);
      }),
      this.#valueInfos(message, GRAPH.valueInfo, graph, names),
      message.entries(GRAPH.metadataProps, graph.meta),
    ]);
  }

  /** `value_info`: the entries that came with the model whose value is still here, then those of new typed values. */
  #valueInfos(message: Message, id: number, graph: Graph, names: Names): Own {
    const seen = new Set<Value>([...graph.inputs, ...graph.outputs]);
    const infos: { readonly value: Value | null; readonly source?: Uint8Array }[] = [];
    for (const { message: source, value } of graph.declared?.values ?? []) {
      if (value === null || value.scope === graph) infos.push({ value, source });
      if (value !== null) seen.add(value);
    }
    for (const node of graph.nodes) {
      for (const value of node.outputs) {
        if (value.type !== undefined && !seen.has(value)) infos.push({ value });
      }
    }
    return message.nested(id, infos, ({ value, source }) => {
      if (value !== null) this.#valueInfo(value, names, source);
      else if (source !== undefined) this.#w.raw(source);
    });
  }

  #valueInfo(value: Value, names: Names, source?: Uint8Array): void {
    const { type } = value;
    if (source !== undefined && type?.source !== undefined && names.untouched.named(value, source)) {
      this.#w.raw(source);
      return;
    }
    const message = new Message(this.#w, source);
    // A type with a source is as imported: the message's own (an output may declare another than value_info did) stays.
    const isImported = type === undefined || (type.source !== undefined && message.has(VALUE_INFO.type));
    message.write([
      message.text(VALUE_INFO.name, names.get(value)),
      isImported
        ? message.kept(VALUE_INFO.type)
        : message.nested(VALUE_INFO.type, [type], (one) => {
            emitType(this.#w, one);
          }),
    ]);
  }

  #node(node: Node, names: Names): void {
    const { source, isMetaRead } = node;
    if (source !== undefined && !isMetaRead && names.untouched.node(node, source, names.ofNode(node))) {
      this.#w.raw(source);
      return;
    }
    const message = new Message(this.#w, source);
    message.write([
      message.texts(NODE.input, node.inputs, (value) => (value === null ? "" : (names.get(value) ?? ""))),
      message.texts(NODE.output, node.outputs, (value) => names.get(value) ?? ""),
      message.text(NODE.name, names.ofNode(node)),
      message.text(NODE.opType, node.opType),
      this.#attributes(message, NODE.attribute, node.attributes, names),
      message.text(NODE.domain, node.domain),
      message.text(NODE.overload, node.overload),
      isMetaRead ? message.entries(NODE.metadataProps, node.meta) : message.kept(NODE.metadataProps),
    ]);
  }

  #attributes(message: Message, id: number, attributes: ReadonlyMap<string, Attribute>, names: Names): Own {
    const isKept = ({ kind, source }: Attribute): boolean =>
      source !== undefined && kind !== "graph" && kind !== "graphs";
    const all = [...attributes.values()];
    if (
      all.every(isKept) &&
      message.holds(
        id,
        all.map(({ source }) => source),
      )
    )
      return message.kept(id);
    return message.nested(id, attributes, ([name, attr]) => {
      if (isKept(attr) && attr.source !== undefined) this.#w.raw(attr.source);
      else this.#attribute(name, attr, names);
    });
  }

  #attribute(name: string, attr: Attribute, names: Names): void {
    const message = new Message(this.#w, attr.source);
    const isNew = attr.source === undefined && attr.kind !== "ref" && attr.kind !== "unknown";
    message.write(
      [
        message.text(ATTRIBUTE.name, name),
        ...this.#content(message, attr, names),
        ...(isNew ? [message.integer(ATTRIBUTE.type, attributeTypes[attr.kind])] : []),
      ].sort((a, b) => a.id - b.id),
    );
  }

  #content(message: Message, attr: Attribute, names: Names): Own[] {
    const w = this.#w;
    switch (attr.kind) {
      case "int":
        return [message.numbers(ATTRIBUTE.i, "int64", [attr.value])];
      case "float":
        return [message.numbers(ATTRIBUTE.f, "float", [attr.value])];
      case "string":
        return [message.bytes(ATTRIBUTE.s, [attr.value])];
      case "tensor":
        return [
          message.nested(ATTRIBUTE.t, [attr.value], (one) => {
            emitTensor(w, one);
          }),
        ];
      case "graph":
        return [
          message.nested(ATTRIBUTE.g, [attr.value], (one) => {
            this.#graph(one, names);
          }),
        ];
      case "type":
        return [
          message.nested(ATTRIBUTE.tp, [attr.value], (one) => {
            emitType(w, one);
          }),
        ];
      case "ints":
        return [message.numbers(ATTRIBUTE.ints, "int64", attr.value)];
      case "floats":
        return [message.numbers(ATTRIBUTE.floats, "float", attr.value)];
      case "strings":
        return [message.bytes(ATTRIBUTE.strings, attr.value)];
      case "tensors":
        return [
          message.nested(ATTRIBUTE.tensors, attr.value, (one) => {
            emitTensor(w, one);
          }),
        ];
      case "graphs":
        return [
          message.nested(ATTRIBUTE.graphs, attr.value, (one) => {
            this.#graph(one, names);
          }),
        ];
      case "types":
        return [
          message.nested(ATTRIBUTE.typeProtos, attr.value, (one) => {
            emitType(w, one);
          }),
        ];
      case "ref":
        return [
          message.text(ATTRIBUTE.refAttrName, attr.parameter),
          message.integer(ATTRIBUTE.type, attr.of),
        ];
      case "unknown":
        return [];
    }
  }

  #function(func: Func): void {
    const names = new Names(func.body);
    const message = new Message(this.#w, func.source);
    const name = (value: Value): string => names.get(value) ?? "";
    message.write([
      message.text(FUNCTION.name, func.name),
      message.texts(FUNCTION.input, func.body.inputs, name),
      message.texts(FUNCTION.output, func.body.outputs, name),
      message.texts(FUNCTION.attribute, func.parameters, (parameter) => parameter),
      message.nested(FUNCTION.node, func.body.nodes, (node) => {
        this.#node(node, names);
      }),
      message.text(FUNCTION.docString, func.docString),
      message.opsets(FUNCTION.opsetImport, func.opsets),
      message.text(FUNCTION.domain, func.domain),
      message.nested(FUNCTION.attributeProto, func.defaults, ([key, attr]) => {
        if (attr.source === undefined) this.#attribute(key, attr, names);
        else this.#w.raw(attr.source);
      }),
      this.#valueInfos(message, FUNCTION.valueInfo, func.body, names),
      message.text(FUNCTION.overload, func.overload),
      message.entries(FUNCTION.metadataProps, func.meta),
    ]);
  }
}
