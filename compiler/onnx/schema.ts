import protobuf from "protobufjs/light.js";
import type { onnx } from "onnx-proto";

/**
 * ONNX's messages up to IR version 14, as field numbers. Written here rather than taken from onnx-proto, whose
 * static build ends at IR version 8 and drops what came after on re-encode; its types serve for what it knows.
 *
 * Two fields differ from ONNX on purpose. `TensorProto.raw_data` is a {@link Blob}, since messages are decoded
 * from a skeleton that leaves weights on disk (see skeleton.ts). `NodeProto.metadata_props` is bytes, which are the
 * same on the wire: exporters write their whole Python stack there, and few entries are ever read.
 */
const fields = {
  AttributeProto:
    "name 1 string; refAttrName 21 string; docString 13 string; type 20 int32; f 2 float; i 3 int64; s 4 bytes; t 5 TensorProto; g 6 GraphProto; sparseTensor 22 SparseTensorProto; tp 14 TypeProto; floats 7 float*; ints 8 int64*; strings 9 bytes*; tensors 10 TensorProto*; graphs 11 GraphProto*; sparseTensors 23 SparseTensorProto*; typeProtos 15 TypeProto*",
  ValueInfoProto:
    "name 1 string; type 2 TypeProto; docString 3 string; metadataProps 4 StringStringEntryProto*",
  NodeProto:
    "input 1 string*; output 2 string*; name 3 string; opType 4 string; domain 7 string; overload 8 string; attribute 5 AttributeProto*; docString 6 string; metadataProps 9 bytes*; deviceConfigurations 10 NodeDeviceConfigurationProto*",
  IntIntListEntryProto: "key 1 int64; value 2 int64*",
  NodeDeviceConfigurationProto:
    "configurationId 1 string; shardingSpec 2 ShardingSpecProto*; pipelineStage 3 int32",
  ShardingSpecProto:
    "tensorName 1 string; device 2 int64*; indexToDeviceGroupMap 3 IntIntListEntryProto*; shardedDim 4 ShardedDimProto*",
  ShardedDimProto: "axis 1 int64; simpleSharding 2 SimpleShardedDimProto*",
  SimpleShardedDimProto: "dimValue 1 int64; dimParam 2 string; numShards 3 int64",
  TrainingInfoProto:
    "initialization 1 GraphProto; algorithm 2 GraphProto; initializationBinding 3 StringStringEntryProto*; updateBinding 4 StringStringEntryProto*",
  ModelProto:
    "irVersion 1 int64; opsetImport 8 OperatorSetIdProto*; producerName 2 string; producerVersion 3 string; domain 4 string; modelVersion 5 int64; docString 6 string; graph 7 GraphProto; metadataProps 14 StringStringEntryProto*; trainingInfo 20 TrainingInfoProto*; functions 25 FunctionProto*; configuration 26 DeviceConfigurationProto*",
  DeviceConfigurationProto: "name 1 string; numDevices 2 int32; device 3 string*",
  StringStringEntryProto: "key 1 string; value 2 string",
  TensorAnnotation: "tensorName 1 string; quantParameterTensorNames 2 StringStringEntryProto*",
  GraphProto:
    "node 1 NodeProto*; name 2 string; initializer 5 TensorProto*; sparseInitializer 15 SparseTensorProto*; docString 10 string; input 11 ValueInfoProto*; output 12 ValueInfoProto*; valueInfo 13 ValueInfoProto*; quantizationAnnotation 14 TensorAnnotation*; metadataProps 16 StringStringEntryProto*",
  Segment: "begin 1 int64; end 2 int64",
  TensorProto:
    "dims 1 int64*; dataType 2 int32; segment 3 Segment; floatData 4 float+; int32Data 5 int32+; stringData 6 bytes*; int64Data 7 int64+; name 8 string; docString 12 string; rawData 9 Blob; externalData 13 StringStringEntryProto*; dataLocation 14 int32; doubleData 10 double+; uint64Data 11 uint64+; metadataProps 16 StringStringEntryProto*",
  Blob: "bytes 1 bytes; source 2 uint32; offset 3 double; length 4 double",
  SparseTensorProto: "values 1 TensorProto; indices 2 TensorProto; dims 3 int64*",
  Dimension: "dimValue 1 int64; dimParam 2 string; denotation 3 string",
  TensorShapeProto: "dim 1 Dimension*",
  TensorTypeProto: "elemType 1 int32; shape 2 TensorShapeProto",
  ElementTypeProto: "elemType 1 TypeProto",
  MapTypeProto: "keyType 1 int32; valueType 2 TypeProto",
  OpaqueTypeProto: "domain 1 string; name 2 string",
  TypeProto:
    "tensorType 1 TensorTypeProto; sequenceType 4 ElementTypeProto; mapType 5 MapTypeProto; optionalType 9 ElementTypeProto; sparseTensorType 8 TensorTypeProto; opaqueType 7 OpaqueTypeProto; denotation 6 string",
  OperatorSetIdProto: "domain 1 string; version 2 int64",
  FunctionProto:
    "name 1 string; input 4 string*; output 5 string*; attribute 6 string*; attributeProto 11 AttributeProto*; node 7 NodeProto*; docString 8 string; opsetImport 9 OperatorSetIdProto*; domain 10 string; overload 13 string; valueInfo 12 ValueInfoProto*; metadataProps 14 StringStringEntryProto*",
} as const;

export type MessageName = keyof typeof fields;

/** Where a tensor's raw bytes are: in the message, or a range of one of the files being copied from. */
export interface Blob {
  bytes?: Uint8Array;
  /** Index of the file. */
  source?: number;
  offset?: number;
  length?: number;
}

/** An entry of `metadata_props` or `external_data`. */
export type Entry = onnx.IStringStringEntryProto;

/** A message as this schema decodes it: onnx-proto's type with the fields that came after it. */
export interface TensorMessage extends Omit<onnx.ITensorProto, "rawData" | "dataLocation"> {
  rawData?: Blob | null;
  dataLocation?: number | null;
  metadataProps?: Entry[] | null;
}
export interface ValueInfoMessage extends onnx.IValueInfoProto {
  metadataProps?: Entry[] | null;
}
export interface AttributeMessage extends Omit<
  onnx.IAttributeProto,
  "t" | "tensors" | "g" | "graphs" | "type"
> {
  type?: number | null;
  t?: TensorMessage | null;
  tensors?: TensorMessage[] | null;
  g?: GraphMessage | null;
  graphs?: GraphMessage[] | null;
}
export interface NodeMessage extends Omit<onnx.INodeProto, "attribute"> {
  attribute?: AttributeMessage[] | null;
  overload?: string | null;
  /** Each an encoded {@link Entry}. */
  metadataProps?: Uint8Array[] | null;
}
export interface GraphMessage extends Omit<
  onnx.IGraphProto,
  "node" | "initializer" | "input" | "output" | "valueInfo"
> {
  node?: NodeMessage[] | null;
  initializer?: TensorMessage[] | null;
  input?: ValueInfoMessage[] | null;
  output?: ValueInfoMessage[] | null;
  valueInfo?: ValueInfoMessage[] | null;
  metadataProps?: Entry[] | null;
}
export interface FunctionMessage {
  name?: string | null;
  domain?: string | null;
  overload?: string | null;
  input?: string[] | null;
  output?: string[] | null;
  attribute?: string[] | null;
  attributeProto?: AttributeMessage[] | null;
  node?: NodeMessage[] | null;
  docString?: string | null;
  opsetImport?: onnx.IOperatorSetIdProto[] | null;
  valueInfo?: ValueInfoMessage[] | null;
  metadataProps?: Entry[] | null;
}
export interface ModelMessage extends Omit<onnx.IModelProto, "graph" | "functions"> {
  graph?: GraphMessage | null;
  functions?: FunctionMessage[] | null;
}
export interface TypeMessage extends onnx.ITypeProto {
  opaqueType?: { domain?: string | null; name?: string | null } | null;
}

interface Messages {
  ModelProto: ModelMessage;
  GraphProto: GraphMessage;
  NodeProto: NodeMessage;
  AttributeProto: AttributeMessage;
  TensorProto: TensorMessage;
  ValueInfoProto: ValueInfoMessage;
  FunctionProto: FunctionMessage;
  TypeProto: TypeMessage;
  StringStringEntryProto: Entry;
}

interface Field {
  readonly name: string;
  readonly id: number;
  readonly type: string;
  readonly repeated: boolean;
  readonly packed: boolean;
}

function parseFields(text: string): Field[] {
  return text.split("; ").map((entry) => {
    const [name = "", id = "", type = ""] = entry.split(" ");
    const repeated = /[*+]$/.test(type);
    return { name, id: Number(id), type: type.replace(/[*+]$/, ""), repeated, packed: type.endsWith("+") };
  });
}

const parsed = new Map(Object.entries(fields).map(([name, text]) => [name, parseFields(text)]));

/** The fields of a message, for the skeleton walker and for tests. */
export function fieldsOf(message: MessageName): readonly Field[] {
  return parsed.get(message) ?? [];
}

export const messageNames = Object.keys(fields) as readonly MessageName[];

function build(): ReadonlyMap<string, protobuf.Type> {
  const root = new protobuf.Root();
  for (const name of messageNames) {
    const type = new protobuf.Type(name);
    for (const field of fieldsOf(name)) {
      const options = field.repeated ? { packed: field.packed } : undefined;
      type.add(
        new protobuf.Field(
          field.name,
          field.id,
          field.type,
          field.repeated ? "repeated" : undefined,
          undefined,
          options,
        ),
      );
    }
    root.add(type);
  }
  return new Map(messageNames.map((name) => [name, root.lookupType(name)]));
}

const types = build();

function typeOf(name: string): protobuf.Type {
  const type = types.get(name);
  if (type === undefined) throw new Error(`no message ${name}`);
  return type;
}

/** Decodes a skeleton. Unknown fields are kept, at every level. */
export function decode<M extends keyof Messages>(name: M, bytes: Uint8Array): Messages[M] {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = false;
  return typeOf(name).decode(reader);
}

/** A node's metadata. */
export function entriesOf(metadataProps: NodeMessage["metadataProps"]): Entry[] {
  return (metadataProps ?? []).map((bytes) => decode("StringStringEntryProto", bytes));
}

/** Encodes a message as a skeleton, fields in the order of their numbers, unknown fields last. */
export function encode(name: keyof Messages, message: object): Uint8Array {
  return typeOf(name).encode(message).finish();
}

/** A new message with the fields of `message`, unknown ones included, less those named in `without`. */
export function copyMessage<T extends object>(
  name: keyof Messages,
  message: T | undefined,
  without: readonly (keyof T)[] = [],
): T {
  const copy = typeOf(name).create() as unknown as T & { $unknowns?: Uint8Array[] };
  if (message === undefined) return copy;
  for (const key of Object.keys(message) as (keyof T)[]) {
    if (!without.includes(key)) copy[key] = message[key];
  }
  const unknowns = (message as { $unknowns?: Uint8Array[] }).$unknowns;
  // Kept by protobufjs under a property that is not enumerable, so that the loop passes it by.
  if (unknowns !== undefined)
    Object.defineProperty(copy, "$unknowns", { value: unknowns, enumerable: false });
  return copy;
}
