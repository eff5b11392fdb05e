import type { Attribute } from "../ir/attribute.ts";
import type { Graph } from "../ir/graph.ts";
import type { Tensor } from "../ir/tensor.ts";
import { importType } from "./import-type.ts";
import { toBigInt } from "./numbers.ts";
import type { AttributeMessage, GraphMessage, TensorMessage } from "./schema.ts";

/** AttributeProto.type numbers, by the kind of the IR. */
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
  type: 13,
  types: 14,
} as const;

/** The attribute of a message; `tensor` and `graph` import what it holds. */
export function importAttribute(
  message: AttributeMessage,
  tensor: (t: TensorMessage) => Tensor,
  graph: (g: GraphMessage, index?: number) => Graph,
): Attribute {
  return { ...contentOf(message, tensor, graph), source: message };
}

function contentOf(
  m: AttributeMessage,
  tensor: (t: TensorMessage) => Tensor,
  graph: (g: GraphMessage, index?: number) => Graph,
): Attribute {
  const T = attributeTypes;
  if (m.refAttrName) return { kind: "ref", parameter: m.refAttrName, of: m.type ?? 0 };
  switch (m.type === 0 || !m.type ? inferType(m) : m.type) {
    case T.float:
      return { kind: "float", value: m.f ?? 0 };
    case T.int:
      return { kind: "int", value: toBigInt(m.i) };
    case T.string:
      return { kind: "string", value: m.s ?? new Uint8Array(0) };
    case T.tensor:
      return m.t ? { kind: "tensor", value: tensor(m.t) } : { kind: "unknown" };
    case T.graph:
      return m.g ? { kind: "graph", value: graph(m.g) } : { kind: "unknown" };
    case T.floats:
      return { kind: "floats", value: m.floats ?? [] };
    case T.ints:
      return { kind: "ints", value: (m.ints ?? []).map((i) => toBigInt(i)) };
    case T.strings:
      return { kind: "strings", value: m.strings ?? [] };
    case T.tensors:
      return { kind: "tensors", value: (m.tensors ?? []).map((t) => tensor(t)) };
    case T.graphs:
      return { kind: "graphs", value: (m.graphs ?? []).map((g, i) => graph(g, i)) };
    case T.type:
      return m.tp ? { kind: "type", value: importType(m.tp) } : { kind: "unknown" };
    case T.types:
      return { kind: "types", value: (m.typeProtos ?? []).map((t) => importType(t)) };
    default:
      return { kind: "unknown" };
  }
}

/** Models of IR version 1 and 2 leave the type out: the field that is there tells it. */
function inferType(m: AttributeMessage): number {
  const T = attributeTypes;
  const fields = [
    ["f", T.float],
    ["i", T.int],
    ["s", T.string],
    ["t", T.tensor],
    ["g", T.graph],
    ["tp", T.type],
  ] as const;
  const single = fields.find(([key]) => Object.hasOwn(m, key));
  if (single !== undefined) return single[1];
  const lists = [
    ["floats", T.floats],
    ["ints", T.ints],
    ["strings", T.strings],
    ["tensors", T.tensors],
    ["graphs", T.graphs],
  ] as const;
  return lists.find(([key]) => (m[key]?.length ?? 0) > 0)?.[1] ?? 0;
}
