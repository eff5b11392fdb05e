import { basename } from "node:path";
import { isFloat } from "../ir/dtype.ts";
import type { Tensor } from "../ir/tensor.ts";
import { tensorType, typeText } from "../ir/type.ts";
import { quoted } from "./identifiers.ts";
import { elementTexts, numberCount } from "./numbers.ts";

/** How tensors are written. */
export interface TensorOptions {
  /** Tensors with at most this many elements show them, even when their bytes are in a file. */
  readonly values: number;
  /** Leaves out all but the first values of a tensor that is held in memory and larger than that. */
  readonly elide: boolean;
  /** Writes 16-bit floats as bit patterns. */
  readonly portable: boolean;
}

/** Integer tensors up to this size print their values whatever `values` says. */
const INTEGERS = 64;

/** The location of a tensor that was read from a text in which its values were left out. */
export const LEFT_OUT = "…";

/** Values that an elided tensor shows. */
const SHOWN = 4;

/** `float[64,64]`. */
export function tensorTypeText(tensor: Tensor): string {
  return typeText(tensorType(tensor.dtype, tensor.shape));
}

/** `float[2] {1.0, 2.0}`, `float[64,64] = ["location": …]`: a tensor as an attribute has it. */
export function tensorText(tensor: Tensor, options: TensorOptions): string {
  const content = contentText(tensor, options);
  return `${tensorTypeText(tensor)} ${content.startsWith("[") ? "= " : ""}${content}`;
}

/** `{1.0, 2.0}`, or the byte range where the values are. External data is never read. */
export function contentText(tensor: Tensor, options: TensorOptions): string {
  const { storage } = tensor;
  // Integers are shapes, axes and zero points: what a function's body holds of them is never left out.
  const limit = isFloat(tensor.dtype) ? options.values : Math.max(options.values, INTEGERS);
  const small = tensor.size <= limit;
  const count = numberCount(tensor.dtype, tensor.size);
  switch (storage.kind) {
    case "external":
      if (storage.location === LEFT_OUT) return `{… ${count} values}`;
      return rangeText(
        storage.range === null
          ? externalEntries(storage)
          : {
              location: storage.location,
              offset: storage.range.offset.toString(),
              length: storage.range.length.toString(),
            },
      );
    case "inline":
      if (small) break;
      return rangeText({
        location: basename(storage.range.file),
        offset: storage.range.offset.toString(),
        length: storage.range.length.toString(),
      });
    case "deferred":
      // Looking at a graph does not make the weights that it will have.
      if (small || !options.elide) break;
      return `{… ${count} values}`;
    case "strings":
    case "memory":
    case "typed":
  }
  return valuesText(tensor, options, small || !options.elide);
}

function valuesText(tensor: Tensor, options: TensorOptions, all: boolean): string {
  const { storage } = tensor;
  const shown = all ? Infinity : SHOWN;
  const values =
    storage.kind === "strings"
      ? storage.strings.slice(0, shown).map((bytes) => bytesText(bytes))
      : elementTexts(tensor, options.portable, shown);
  const left = all ? 0 : numberCount(tensor.dtype, tensor.size) - SHOWN;
  return `{${values.join(", ")}${left > 0 ? `, … ${left} more` : ""}}`;
}

function rangeText(entries: Readonly<Record<string, string>>): string {
  return `[${Object.entries(entries)
    .map(([key, value]) => `${quoted(key)}: ${quoted(value)}`)
    .join(", ")}]`;
}

/** What a tensor whose file is missing says of it: the entries that its message has. */
function externalEntries({
  location,
  entries = [],
}: Extract<Tensor["storage"], { kind: "external" }>): Record<string, string> {
  return { location, ...Object.fromEntries(entries.map(({ key = "", value = "" }) => [key, value])) };
}

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as quoted text; those that are no UTF-8, which ONNX's syntax cannot write, as `hex "00ff"`. */
export function bytesText(bytes: Uint8Array): string {
  try {
    return quoted(strict.decode(bytes));
  } catch {
    return `hex "${Buffer.from(bytes).toString("hex")}"`;
  }
}

/** The bytes of {@link bytesText}'s quoted text. */
export function textBytes(text: string): Uint8Array {
  return utf8.encode(text);
}
