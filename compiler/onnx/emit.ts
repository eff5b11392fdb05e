import { dtypeNumber } from "../ir/dtype.ts";
import type { Attribute } from "../ir/attribute.ts";
import type { Graph } from "../ir/graph.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Tensor } from "../ir/tensor.ts";
import type { ValueType } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { attributeTypes } from "./import-attribute.ts";
import type { GraphSource } from "./import.ts";
import { nameValues } from "./names.ts";
import { toLong, toNumber } from "./numbers.ts";
import {
  copyMessage,
  encode,
  entriesOf,
  type AttributeMessage,
  type Entry,
  type FunctionMessage,
  type GraphMessage,
  type ModelMessage,
  type NodeMessage,
  type TensorMessage,
  type TypeMessage,
  type ValueInfoMessage,
} from "./schema.ts";
import { expand, type Piece } from "./skeleton.ts";
import { sourceNumber } from "./source.ts";

/**
 * Serializes a model: pieces of bytes and of file ranges, to be written in order. What was imported and not
 * touched comes out as it went in, since every message starts as a copy of the one it was imported from and only
 * fields that differ are set.
 */
export function emitModel(model: Model): { readonly pieces: readonly Piece[]; readonly size: number } {
  return expand(encode("ModelProto", modelMessage(model)));
}

function modelMessage(model: Model): ModelMessage {
  const message = copyMessage<ModelMessage>("ModelProto", model.source);
  if (toNumber(message.irVersion) !== model.irVersion) message.irVersion = toLong(model.irVersion);
  setOpsets(message, model.opsets);
  setMeta(message, model.meta);
  message.graph = graphMessage(model.graph, nameValues(model.graph));
  if (model.functions.size > 0)
    message.functions = [...model.functions.values()].map((f) => functionMessage(f));
  return message;
}

function setOpsets(message: ModelMessage | FunctionMessage, opsets: ReadonlyMap<string, number>): void {
  const entries = message.opsetImport ?? [];
  const same =
    new Set(entries.map((e) => e.domain ?? "")).size === opsets.size &&
    entries.every((e) => opsets.get(e.domain ?? "") === toNumber(e.version));
  if (!same)
    message.opsetImport = [...opsets].map(([domain, version]) => ({
      domain,
      version: toLong(version),
    }));
}

function setMeta(message: { metadataProps?: Entry[] | null }, meta: ReadonlyMap<string, string>): void {
  if (!isSameMeta(message.metadataProps ?? [], meta))
    message.metadataProps = [...meta].map(([key, value]) => ({ key, value }));
}

function setNodeMeta(message: NodeMessage, node: Node): void {
  if (!node.isMetaRead || isSameMeta(entriesOf(message.metadataProps), node.meta)) return;
  message.metadataProps = [...node.meta].map(([key, value]) =>
    encode("StringStringEntryProto", { key, value }),
  );
}

function isSameMeta(entries: readonly Entry[], meta: ReadonlyMap<string, string>): boolean {
  const known = new Map(entries.map((e) => [e.key ?? "", e.value ?? ""]));
  return known.size === meta.size && [...meta].every(([key, value]) => known.get(key) === value);
}

/** Sets a string field unless the message says the same already, so that "absent" and "empty" both survive. */
function setString<K extends string>(
  message: Partial<Record<K, string | null>>,
  key: K,
  value: string | undefined,
): void {
  if ((message[key] ?? "") !== (value ?? "")) message[key] = value ?? null;
}

type Names = ReadonlyMap<Value, string>;

function graphMessage(graph: Graph, names: Names): GraphMessage {
  const source = graph.source as GraphSource | undefined;
  const message = copyMessage<GraphMessage>("GraphProto", source?.message);
  setString(message, "name", graph.name);
  setMeta(message, graph.meta);
  message.node = [...graph.nodes].map((node) => nodeMessage(node, names));
  message.initializer = [...graph.initializers].map((value) =>
    tensorMessage(value.constant, names.get(value)),
  );
  message.input = graph.inputs.map((value) => valueInfo(value, names, value.source));
  message.output = graph.outputs.map((value, i) => valueInfo(value, names, source?.outputs[i]));
  message.valueInfo = valueInfos(graph, names);
  return message;
}

/** `value_info`: the entries that came with the model whose value is still here, then those of new typed values. */
function valueInfos(graph: Graph, names: Names): ValueInfoMessage[] {
  const declared = (graph.source as GraphSource | undefined)?.declared ?? [];
  const seen = new Set<Value>([...graph.inputs, ...graph.outputs]);
  const infos: ValueInfoMessage[] = [];
  for (const { message, value } of declared) {
    if (value === null) infos.push(message);
    else if (value.scope === graph) infos.push(valueInfo(value, names, message));
    if (value !== null) seen.add(value);
  }
  for (const node of graph.nodes) {
    for (const value of node.outputs) {
      if (value.type !== undefined && !seen.has(value)) infos.push(valueInfo(value, names));
    }
  }
  return infos;
}

function valueInfo(value: Value, names: Names, source?: object): ValueInfoMessage {
  const message = copyMessage<ValueInfoMessage>("ValueInfoProto", source);
  setString(message, "name", names.get(value));
  // A type with a source is as imported: the message's own (an output may declare another than value_info did) stays.
  const imported = value.type?.source !== undefined && Object.hasOwn(message, "type");
  if (!imported && value.type !== undefined) message.type = typeMessage(value.type);
  return message;
}

function typeMessage(type: ValueType): TypeMessage {
  if (type.source !== undefined) return type.source;
  switch (type.kind) {
    case "none":
      return {};
    case "tensor":
    case "sparse_tensor": {
      const shape = type.shape && {
        dim: type.shape.map((d) =>
          d === null ? {} : typeof d === "number" ? { dimValue: toLong(d) } : { dimParam: d },
        ),
      };
      const tensor = { elemType: dtypeNumber(type.dtype), ...(shape === undefined ? {} : { shape }) };
      return type.kind === "tensor" ? { tensorType: tensor } : { sparseTensorType: tensor };
    }
    case "seq":
    case "optional": {
      const inner = type.of === undefined ? {} : { elemType: typeMessage(type.of) };
      return type.kind === "seq" ? { sequenceType: inner } : { optionalType: inner };
    }
    case "map":
      return {
        mapType: {
          keyType: dtypeNumber(type.key),
          ...(type.of === undefined ? {} : { valueType: typeMessage(type.of) }),
        },
      };
    case "opaque":
      return { opaqueType: { domain: type.domain, name: type.name } };
  }
}

function nodeMessage(node: Node, names: Names): NodeMessage {
  const message = copyMessage<NodeMessage>("NodeProto", node.source);
  setString(message, "opType", node.opType);
  setString(message, "domain", node.domain);
  setString(message, "overload", node.overload);
  setString(message, "name", node.name);
  setNodeMeta(message, node);
  message.input = node.inputs.map((value) => (value === null ? "" : (names.get(value) ?? "")));
  message.output = node.outputs.map((value) => names.get(value) ?? "");
  message.attribute = [...node.attributes].map(([name, attr]) => attributeMessage(name, attr, names));
  return message;
}

function attributeMessage(name: string, attr: Attribute, names: Names): AttributeMessage {
  if (attr.source !== undefined && attr.kind !== "graph" && attr.kind !== "graphs") return attr.source;
  const message = copyMessage<AttributeMessage>("AttributeProto", attr.source);
  setString(message, "name", name);
  Object.assign(message, attributeContent(attr, names));
  if (attr.source === undefined && attr.kind !== "ref" && attr.kind !== "unknown")
    message.type = attributeTypes[attr.kind];
  return message;
}

function attributeContent(attr: Attribute, names: Names): AttributeMessage {
  switch (attr.kind) {
    case "int":
      return { i: toLong(attr.value) };
    case "float":
      return { f: attr.value };
    case "string":
      return { s: attr.value };
    case "tensor":
      return { t: tensorMessage(attr.value, undefined) };
    case "graph":
      return { g: graphMessage(attr.value, names) };
    case "type":
      return { tp: typeMessage(attr.value) };
    case "ints":
      return { ints: attr.value.map((i) => toLong(i)) };
    case "floats":
      return { floats: [...attr.value] };
    case "strings":
      return { strings: [...attr.value] };
    case "tensors":
      return { tensors: attr.value.map((t) => tensorMessage(t, undefined)) };
    case "graphs":
      return { graphs: attr.value.map((g) => graphMessage(g, names)) };
    case "types":
      return { typeProtos: attr.value.map((t) => typeMessage(t)) };
    case "ref":
      return { refAttrName: attr.parameter, type: attr.of };
    case "unknown":
      return {};
  }
}

const typedFields = [
  "floatData",
  "int32Data",
  "int64Data",
  "doubleData",
  "uint64Data",
  "stringData",
] as const;

function tensorMessage(tensor: Tensor | undefined, name: string | undefined): TensorMessage {
  const isTyped = tensor?.storage.kind === "typed" || tensor?.storage.kind === "strings";
  const message = copyMessage<TensorMessage>("TensorProto", tensor?.source, isTyped ? [] : typedFields);
  if (tensor === undefined) return message;
  if (name !== undefined) setString(message, "name", name);
  if (tensor.source === undefined) {
    message.dims = tensor.shape.map((d) => toLong(d));
    message.dataType = dtypeNumber(tensor.dtype);
  }
  const { storage } = tensor;
  if (storage.kind === "typed") return message;
  if (storage.kind === "strings") {
    message.stringData = [...storage.strings];
    return message;
  }
  if (storage.kind === "external") return setExternal(message, tensor);
  // Some writers say that the location is the default one: that stays.
  if (message.dataLocation === EXTERNAL) {
    delete message.externalData;
    delete message.dataLocation;
  }
  message.rawData =
    storage.kind === "memory" || storage.kind === "deferred"
      ? { bytes: tensor.bytes() }
      : {
          source: sourceNumber(storage.range.file),
          offset: storage.range.offset,
          length: storage.range.length,
        };
  return message;
}

/** TensorProto.DataLocation.EXTERNAL */
const EXTERNAL = 1;

function setExternal(message: TensorMessage, tensor: Tensor): TensorMessage {
  if (tensor.storage.kind !== "external") return message;
  const { location, range } = tensor.storage;
  const old = new Map((message.externalData ?? []).map((e) => [e.key, e.value]));
  const same =
    old.get("location") === location && (range === null || Number(old.get("offset") ?? 0) === range.offset);
  if (!same && range !== null) {
    message.externalData = [
      { key: "location", value: location },
      { key: "offset", value: String(range.offset) },
      { key: "length", value: String(range.length) },
    ];
  }
  message.dataLocation = EXTERNAL;
  return message;
}

function functionMessage(func: Func): FunctionMessage {
  const message = copyMessage<FunctionMessage>("FunctionProto", func.source);
  const names = nameValues(func.body);
  setString(message, "name", func.name);
  setString(message, "domain", func.domain);
  setString(message, "overload", func.overload);
  setOpsets(message, func.opsets);
  setMeta(message, func.meta);
  message.attribute = [...func.parameters];
  message.attributeProto = [...func.defaults].map(([name, attr]) => attributeMessage(name, attr, names));
  message.input = func.body.inputs.map((value) => names.get(value) ?? "");
  message.output = func.body.outputs.map((value) => names.get(value) ?? "");
  message.node = [...func.body.nodes].map((node) => nodeMessage(node, names));
  message.valueInfo = valueInfos(func.body, names);
  return message;
}
