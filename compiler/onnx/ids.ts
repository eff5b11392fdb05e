/** Field numbers of the messages that the IR models, by the names of onnx.proto. */
export const MODEL = {
  irVersion: 1,
  producerName: 2,
  producerVersion: 3,
  domain: 4,
  modelVersion: 5,
  docString: 6,
  graph: 7,
  opsetImport: 8,
  metadataProps: 14,
  functions: 25,
} as const;

export const GRAPH = {
  node: 1,
  name: 2,
  initializer: 5,
  input: 11,
  output: 12,
  valueInfo: 13,
  sparseInitializer: 15,
  metadataProps: 16,
} as const;

export const NODE = {
  input: 1,
  output: 2,
  name: 3,
  opType: 4,
  attribute: 5,
  domain: 7,
  overload: 8,
  metadataProps: 9,
} as const;

export const FUNCTION = {
  name: 1,
  input: 4,
  output: 5,
  attribute: 6,
  node: 7,
  docString: 8,
  opsetImport: 9,
  domain: 10,
  attributeProto: 11,
  valueInfo: 12,
  overload: 13,
  metadataProps: 14,
} as const;

export const VALUE_INFO = { name: 1, type: 2 } as const;

export const TENSOR = {
  dims: 1,
  dataType: 2,
  floatData: 4,
  int32Data: 5,
  stringData: 6,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
  externalData: 13,
  dataLocation: 14,
} as const;

export const ATTRIBUTE = {
  name: 1,
  f: 2,
  i: 3,
  s: 4,
  t: 5,
  g: 6,
  floats: 7,
  ints: 8,
  strings: 9,
  tensors: 10,
  graphs: 11,
  tp: 14,
  typeProtos: 15,
  type: 20,
  refAttrName: 21,
} as const;

/** StringStringEntryProto, and OperatorSetIdProto, whose fields have the same numbers. */
export const ENTRY = { key: 1, value: 2 } as const;
