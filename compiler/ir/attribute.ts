import type { Graph } from "./graph.ts";
import type { Tensor } from "./tensor.ts";
import type { ValueType } from "./type.ts";

/**
 * An attribute of a node. Immutable but for the graphs it holds. `ref` stands inside a function body for the
 * attribute that the caller passes. `source` is the bytes of the message it was imported from.
 */
export type Attribute = (
  | { readonly kind: "int"; readonly value: bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: Uint8Array }
  | { readonly kind: "tensor"; readonly value: Tensor }
  | { readonly kind: "graph"; readonly value: Graph }
  | { readonly kind: "type"; readonly value: ValueType }
  | { readonly kind: "ints"; readonly value: readonly bigint[] }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly Uint8Array[] }
  | { readonly kind: "tensors"; readonly value: readonly Tensor[] }
  | { readonly kind: "graphs"; readonly value: readonly Graph[] }
  | { readonly kind: "types"; readonly value: readonly ValueType[] }
  /** `of` is the AttributeProto type number of the referenced attribute */
  | { readonly kind: "ref"; readonly parameter: string; readonly of: number }
  /** sparse tensors and kinds newer than this compiler: carried along by `source` alone */
  | { readonly kind: "unknown" }
) & { readonly source?: Uint8Array };

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/** Attribute constructors, for passes and adapters. */
export const attribute = {
  int: (value: number | bigint): Attribute => ({ kind: "int", value: BigInt(value) }),
  float: (value: number): Attribute => ({ kind: "float", value: Math.fround(value) }),
  string: (value: string): Attribute => ({ kind: "string", value: utf8.encode(value) }),
  ints: (value: readonly (number | bigint)[]): Attribute => ({ kind: "ints", value: value.map(BigInt) }),
  tensor: (value: Tensor): Attribute => ({ kind: "tensor", value }),
  graph: (value: Graph): Attribute => ({ kind: "graph", value }),
};

/** The graphs an attribute holds. */
export function graphsOf(attr: Attribute): readonly Graph[] {
  if (attr.kind === "graph") return [attr.value];
  return attr.kind === "graphs" ? attr.value : [];
}

/** Whether an attribute says what another does; of tensors, graphs and types, whether it has the very same one. */
export function sameAttribute(old: Attribute, attr: Attribute): boolean {
  if (old === attr) return true;
  if (old.kind !== attr.kind || (attr.source !== undefined && attr.source !== old.source)) return false;
  if (attr.kind === "ref")
    return old.kind === "ref" && old.parameter === attr.parameter && old.of === attr.of;
  if (!("value" in old) || !("value" in attr)) return false;
  return sameContent(old.value, attr.value);
}

function sameContent(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  const isList =
    (Array.isArray(a) && Array.isArray(b)) || (a instanceof Uint8Array && b instanceof Uint8Array);
  return isList && a.length === b.length && a.every((one: unknown, i: number) => sameContent(one, b[i]));
}

/** The text of a string attribute's bytes. */
export function text(bytes: Uint8Array): string {
  return fromUtf8.decode(bytes);
}
