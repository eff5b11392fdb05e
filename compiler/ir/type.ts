import type { DType } from "./dtype.ts";

/** One dimension: known, symbolic, or unknown. */
export type Dim = number | string | null;

/**
 * The type of a value. Objects are immutable. `source` is the bytes of the message a type was imported from; they travel along
 * so that denotations and fields this compiler does not know are emitted as they were.
 */
export type ValueType = (
  | { readonly kind: "tensor" | "sparse_tensor"; readonly dtype: DType; readonly shape?: readonly Dim[] }
  | { readonly kind: "seq" | "optional"; readonly of?: ValueType }
  | { readonly kind: "map"; readonly key: DType; readonly of?: ValueType }
  | { readonly kind: "opaque"; readonly domain: string; readonly name: string }
  | { readonly kind: "none" }
) & { readonly source?: Uint8Array };

export type TensorType = Extract<ValueType, { kind: "tensor" | "sparse_tensor" }>;

/** A tensor type; leave `shape` out when the rank is unknown. */
export function tensorType(dtype: DType, shape?: readonly Dim[]): ValueType {
  return shape === undefined ? { kind: "tensor", dtype } : { kind: "tensor", dtype, shape };
}

/** The type as dense tensor, or null for anything else. */
export function asTensor(type: ValueType | undefined): TensorType | null {
  return type?.kind === "tensor" ? type : null;
}

/** `float[B,S,64]`, as ONNX's textual syntax writes it; an unknown dimension is `?`. */
export function typeText(type: ValueType | undefined): string {
  switch (type?.kind) {
    case undefined:
    case "none":
      return "?";
    case "tensor":
      return type.dtype + shapeText(type.shape);
    case "sparse_tensor":
      return `sparse_tensor(${type.dtype}${shapeText(type.shape)})`;
    case "seq":
    case "optional":
      return `${type.kind}(${typeText(type.of)})`;
    case "map":
      return `map(${type.key}, ${typeText(type.of)})`;
    case "opaque":
      return `opaque(${type.domain === "" ? "" : `${dottedText(type.domain)},`}${dottedText(type.name)})`;
  }
}

function shapeText(shape: readonly Dim[] | undefined): string {
  // Rank unknown is `[]` in ONNX's syntax and a scalar has no brackets at all.
  if (shape === undefined) return "[]";
  return shape.length === 0 ? "" : `[${shape.map((d) => dimText(d)).join(",")}]`;
}

/** An integer of 64 bits that is kept as a number: 2^63 - 1 is none, and stands as 2^63. */
export function integerText(n: number): string {
  if (Number.isSafeInteger(n) || !Number.isFinite(n)) return n.toString();
  const most = 2n ** 63n - 1n;
  const whole = BigInt(Math.trunc(n));
  return (whole > most ? most : whole).toString();
}

/** Identifiers with dots between them; anything else is none in ONNX's syntax, and stands in quotes. */
function dottedText(text: string): string {
  if (text === "") return text;
  return text.split(".").every((part) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(part)) ? text : quoted(text);
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** A symbolic dimension such as `past + 1` is no identifier: ONNX's syntax takes it in quotes. */
function dimText(dim: Dim): string {
  if (typeof dim === "number") return integerText(dim);
  if (dim === null) return "?";
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(dim) ? dim : quoted(dim);
}

/** Whether a type says what another does; what it was imported with counts where the second has such a message. */
export function sameType(old: ValueType | undefined, type: ValueType | undefined): boolean {
  if (old === type) return true;
  if (old === undefined || type === undefined) return false;
  return (type.source === undefined || type.source === old.source) && typeText(old) === typeText(type);
}
