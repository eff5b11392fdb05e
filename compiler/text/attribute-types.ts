/** The attribute types of ONNX's textual syntax, with their numbers in `AttributeProto.type`. */
export const attributeTypes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparse_tensor: 11,
  sparse_tensors: 12,
  type_proto: 13,
  type_protos: 14,
} as const;

export type AttributeTypeName = keyof typeof attributeTypes;

/** Whether a word is the name of an attribute type. */
export function isAttributeType(word: string): word is AttributeTypeName {
  return Object.hasOwn(attributeTypes, word);
}

/** The name of an attribute type number, or undefined for 0 and numbers that ONNX does not define. */
export function attributeTypeName(number: number): AttributeTypeName | undefined {
  const names = Object.keys(attributeTypes) as AttributeTypeName[];
  return names.find((name) => attributeTypes[name] === number);
}
