import { describe, expect, it } from "@jest/globals";
import { onnx } from "onnx-proto";
import { dtypeNumber, dtypes } from "../../compiler/ir/dtype.ts";
import { attributeTypes } from "../../compiler/onnx/import-attribute.ts";
import { fieldsOf, messageNames, type MessageName } from "../../compiler/onnx/schema.ts";
import { encodePlain } from "./encode.ts";

/** A class of onnx-proto: the other reading of onnx.proto. */
interface Codec {
  readonly prototype: object;
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
}

/** Where onnx-proto has the messages of the schema. */
const codecs: readonly (readonly [MessageName, Codec])[] = [
  ["AttributeProto", onnx.AttributeProto],
  ["ValueInfoProto", onnx.ValueInfoProto],
  ["NodeProto", onnx.NodeProto],
  ["TrainingInfoProto", onnx.TrainingInfoProto],
  ["ModelProto", onnx.ModelProto],
  ["StringStringEntryProto", onnx.StringStringEntryProto],
  ["TensorAnnotation", onnx.TensorAnnotation],
  ["GraphProto", onnx.GraphProto],
  ["Segment", onnx.TensorProto.Segment],
  ["TensorProto", onnx.TensorProto],
  ["SparseTensorProto", onnx.SparseTensorProto],
  ["Dimension", onnx.TensorShapeProto.Dimension],
  ["TensorShapeProto", onnx.TensorShapeProto],
  ["TensorTypeProto", onnx.TypeProto.Tensor],
  ["TensorTypeProto", onnx.TypeProto.SparseTensor],
  ["ElementTypeProto", onnx.TypeProto.Sequence],
  ["ElementTypeProto", onnx.TypeProto.Optional],
  ["MapTypeProto", onnx.TypeProto.Map],
  ["TypeProto", onnx.TypeProto],
  ["OperatorSetIdProto", onnx.OperatorSetIdProto],
  ["FunctionProto", onnx.FunctionProto],
];

/** What came after the version that onnx-proto was made from. */
const newer: Partial<Record<MessageName, readonly string[]>> = {
  ValueInfoProto: ["metadataProps"],
  NodeProto: ["overload", "metadataProps", "deviceConfigurations"],
  ModelProto: ["configuration"],
  GraphProto: ["metadataProps"],
  TensorProto: ["metadataProps"],
  TypeProto: ["opaqueType"],
  FunctionProto: ["attributeProto", "overload", "valueInfo", "metadataProps"],
};

/** The fields of a class, which its prototype has defaults for. */
function namesOf(codec: Codec): string[] {
  return Object.entries(codec.prototype).flatMap(([name, value]) =>
    typeof value === "function" ? [] : [name],
  );
}

/** Some value of a field's type. */
function sample(type: string): unknown {
  if (type === "string") return "x";
  if (type === "bytes") return Uint8Array.of(1);
  return messageNames.some((name) => name === type) ? {} : 1;
}

describe.each(codecs)("%s", (name, codec) => {
  const known = fieldsOf(name).filter((field) => namesOf(codec).includes(field.name));

  it("has the fields of onnx-proto, and those that came later", () => {
    const later = newer[name] ?? [];
    expect(
      fieldsOf(name)
        .map((field) => field.name)
        .filter((field) => !later.includes(field))
        .sort(),
    ).toEqual(namesOf(codec).sort());
  });

  it.each(known.map((field) => [field.name, field] as const))(
    "has %s by the same number and type",
    (_, field) => {
      const value = field.repeated ? [sample(field.type)] : sample(field.type);
      const ours = Uint8Array.from(encodePlain(name, { [field.name]: value }));
      // Written apart and read by the other: lists of numbers may be packed by one of them.
      const theirs = codec.encode({ [field.name]: value }).finish();
      expect(codec.encode(codec.decode(ours)).finish()).toEqual(theirs);
      expect(theirs.length).toBeGreaterThan(0);
    },
  );
});

it("every message is compared, but for those that onnx-proto does not have", () => {
  const compared = new Set(codecs.map(([name]) => name));
  expect(messageNames.filter((name) => !compared.has(name))).toEqual([
    "IntIntListEntryProto",
    "NodeDeviceConfigurationProto",
    "ShardingSpecProto",
    "ShardedDimProto",
    "SimpleShardedDimProto",
    "DeviceConfigurationProto",
    "OpaqueTypeProto",
  ]);
});

it("no message has two fields of one number or name", () => {
  for (const name of messageNames) {
    const fields = fieldsOf(name);
    expect(new Set(fields.map((field) => field.id)).size).toBe(fields.length);
    expect(new Set(fields.map((field) => field.name)).size).toBe(fields.length);
  }
});

describe("enums", () => {
  it("element types have the numbers of TensorProto.DataType", () => {
    const numbers = Object.entries(onnx.TensorProto.DataType).filter(([, n]) => typeof n === "number");
    expect(numbers.length).toBeGreaterThan(15);
    for (const [name, number] of numbers) {
      const dtype = dtypes.find((one) => one === name.toLowerCase());
      expect([name, dtype === undefined ? undefined : dtypeNumber(dtype)]).toEqual([name, number]);
    }
  });

  it("attribute kinds have the numbers of AttributeProto.AttributeType", () => {
    const { AttributeType } = onnx.AttributeProto;
    expect(attributeTypes).toEqual({
      float: AttributeType.FLOAT,
      int: AttributeType.INT,
      string: AttributeType.STRING,
      tensor: AttributeType.TENSOR,
      graph: AttributeType.GRAPH,
      floats: AttributeType.FLOATS,
      ints: AttributeType.INTS,
      strings: AttributeType.STRINGS,
      tensors: AttributeType.TENSORS,
      graphs: AttributeType.GRAPHS,
      type: AttributeType.TYPE_PROTO,
      types: AttributeType.TYPE_PROTOS,
    });
  });
});
