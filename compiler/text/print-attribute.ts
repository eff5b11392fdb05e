import type { Attribute } from "../ir/attribute.ts";
import type { Graph } from "../ir/graph.ts";
import { typeText } from "../ir/type.ts";
import { attributeTypeName } from "./attribute-types.ts";
import { nameText, wordText } from "./identifiers.ts";
import { floatText } from "./numbers.ts";
import { bytesText, tensorText, type TensorOptions } from "./print-tensor.ts";

/** The type that an empty list has to state; elsewhere the value shows its type. */
const listTypes = {
  ints: "ints",
  floats: "floats",
  strings: "strings",
  tensors: "tensors",
  graphs: "graphs",
  types: "type_protos",
} as const;

/** `heads = 4`, `scale: float = @scale`. `graph` writes the graphs that an attribute holds. */
export function attributeText(
  name: string,
  attr: Attribute,
  options: TensorOptions,
  graph: (graph: Graph) => string,
): string {
  const type = statedType(attr);
  return `${wordText(name)}${type === undefined ? "" : `: ${type}`} = ${valueText(attr, options, graph)}`;
}

function statedType(attr: Attribute): string | undefined {
  if (attr.kind === "ref") return attributeTypeName(attr.of);
  if (attr.kind === "unknown") return "unknown";
  if (attr.kind in listTypes && Array.isArray(attr.value) && attr.value.length === 0) {
    return listTypes[attr.kind as keyof typeof listTypes];
  }
  return undefined;
}

function valueText(attr: Attribute, options: TensorOptions, graph: (graph: Graph) => string): string {
  const list = (texts: readonly string[]): string => `[${texts.join(", ")}]`;
  switch (attr.kind) {
    case "int":
      return attr.value.toString();
    case "float":
      return floatText(attr.value, "float");
    case "string":
      return bytesText(attr.value);
    case "tensor":
      return tensorText(attr.value, options);
    case "graph":
      return graph(attr.value);
    case "type":
      return typeText(attr.value);
    case "ints":
      return list(attr.value.map((x) => x.toString()));
    case "floats":
      return list(attr.value.map((x) => floatText(x, "float")));
    case "strings":
      return list(attr.value.map((x) => bytesText(x)));
    case "tensors":
      return list(attr.value.map((x) => tensorText(x, options)));
    case "graphs":
      return list(attr.value.map((x) => graph(x)));
    case "types":
      return list(attr.value.map((x) => typeText(x)));
    case "ref":
      return `@${nameText(attr.parameter)}`;
    case "unknown":
      return "[]";
  }
}
