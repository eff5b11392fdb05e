import { basename, join, resolve } from "node:path";
import { byteSize, type DType } from "../ir/dtype.ts";
import { tensorOf, toBfloat, toHalf } from "../ir/scalar.ts";
import { Tensor } from "../ir/tensor.ts";
import type { ValueType } from "../ir/type.ts";
import { ExternalResolver } from "../onnx/external.ts";
import type { Entry } from "../onnx/schema.ts";
import { readRange } from "../onnx/source.ts";
import { isNumberWord } from "./identifiers.ts";
import type { Lexer } from "./lexer.ts";
import { isByteWise, numberCount } from "./numbers.ts";
import { LEFT_OUT, textBytes } from "./print-tensor.ts";

/** Reads what stands behind a tensor's type: its values, or where they are. */
export class TensorParser {
  readonly #lexer: Lexer;
  readonly #files: ExternalResolver | null;

  /** @param folder - where external data lies; without it, it counts as missing */
  constructor(lexer: Lexer, file: string, folder: string | undefined) {
    this.#lexer = lexer;
    this.#files = folder === undefined ? null : new ExternalResolver(join(resolve(folder), basename(file)));
  }

  /** @param path - the tensor's place, for messages about external data */
  content(type: ValueType | undefined, path: string, name = ""): Tensor {
    if (type?.kind !== "tensor") throw this.#lexer.error("a tensor type before the values");
    const shape = (type.shape ?? [null]).filter((d) => typeof d === "number");
    if (shape.length !== (type.shape ?? [null]).length) {
      throw this.#lexer.error("a type whose dimensions are all numbers before the values");
    }
    if (this.#lexer.takes("[")) return this.#external(type.dtype, shape, { path, name });
    const size = shape.reduce((n, d) => n * d, 1);
    if (!this.#lexer.takes("{"))
      throw this.#lexer.error('"{" and values, or "[" and the place of the values');
    return type.dtype === "string" ? this.#strings(shape, size) : this.#numbers(type.dtype, shape, size);
  }

  /** A string value: quoted text, or `hex "00ff"`. */
  bytes(): Uint8Array {
    const { kind, text } = this.#lexer.peek();
    if (kind !== "word" || text !== "hex") return textBytes(this.#lexer.string("a string"));
    this.#lexer.next();
    const digits = this.#lexer.peek();
    if (digits.kind !== "string" || !/^(?:[0-9a-f]{2})*$/i.test(digits.text)) {
      throw this.#lexer.error("an even number of hexadecimal digits in quotes");
    }
    return Buffer.from(this.#lexer.next().text, "hex");
  }

  /** A floating-point value; an integer will do. */
  float(): number {
    const { kind, text } = this.#lexer.peek();
    if (kind !== "number" && !(kind === "word" && isNumberWord(text))) throw this.#lexer.error("a number");
    this.#lexer.next();
    return toFloat(text);
  }

  #external(dtype: DType, shape: readonly number[], place: { path: string; name: string }): Tensor {
    const entries: Entry[] = [];
    this.#lexer.list("]", () => {
      const key = this.#lexer.string("a key in quotes");
      this.#lexer.expect(":");
      entries.push({ key, value: this.#lexer.string("a value in quotes") });
    });
    const location = entries.find(({ key }) => key === "location")?.value;
    if (typeof location !== "string")
      throw this.#lexer.error('a "location" before the end of the list', this.#lexer.last);
    const size = shape.reduce((n, d) => n * d, 1);
    const data = this.#files?.resolve(entries, byteSize(dtype, size), place) ?? { location, range: null };
    // A missing file leaves no range: what the text said of it stays with the entries.
    return new Tensor(dtype, shape, { kind: "external", ...data, entries }, { read: readRange });
  }

  #strings(shape: readonly number[], size: number): Tensor {
    const strings: Uint8Array[] = [];
    const left = this.#values(() => strings.push(this.bytes()));
    this.#check(strings.length + left, size);
    return left > 0 ? leftOut("string", shape) : new Tensor("string", shape, { kind: "strings", strings });
  }

  #numbers(dtype: DType, shape: readonly number[], size: number): Tensor {
    const [written, number] = this.#reader(dtype);
    const values: (number | bigint)[] = [];
    const left = this.#values(() => values.push(number()));
    this.#check(values.length + left, numberCount(dtype, size));
    if (left > 0) return leftOut(dtype, shape);
    const bytes =
      values.length === 0 ? new Uint8Array(0) : tensorOf(written, [values.length], values).bytes();
    return new Tensor(dtype, shape, { kind: "memory", bytes });
  }

  /** Reads values up to the closing brace. @returns how many were left out: 124 in `{1.0, 2.0, … 124 more}` */
  #values(value: () => void): number {
    let left = 0;
    this.#lexer.list("}", () => {
      if (!this.#lexer.takes("…")) {
        value();
        return;
      }
      left = Number(this.#lexer.integer("how many values were left out", 1n));
      this.#lexer.name('"more" or "values"');
    });
    return left;
  }

  /** None at all is a tensor without its data, as a graph without its weights has them. */
  #check(found: number, wanted: number): void {
    if (found === wanted || found === 0) return;
    const before = `${wanted} value${wanted === 1 ? "" : "s"} before`;
    throw this.#lexer.error(`${before} "}", not ${found}`, this.#lexer.last);
  }

  /** How the numbers of a type are read, and the type that holds them then. */
  #reader(dtype: DType): readonly [DType, () => number | bigint] {
    switch (dtype) {
      case "float":
      case "complex64":
        return ["float", () => this.float()];
      case "double":
      case "complex128":
        return ["double", () => this.float()];
      case "float16":
        return ["uint16", () => this.#half(dtype, toHalf)];
      case "bfloat16":
        return ["uint16", () => this.#half(dtype, toBfloat)];
      default: {
        const written = isByteWise(dtype) ? "uint8" : dtype;
        const [least, most] = bounds(written);
        return [written, () => this.#lexer.integer(`an integer of type ${written}`, least, most)];
      }
    }
  }

  /** The bits of a 16-bit float. An integer is a bit pattern, as in ONNX's own parser; anything else a value. */
  #half(dtype: DType, bits: (x: number) => number): number {
    const { kind, text } = this.#lexer.peek();
    if (kind !== "number" || !/^-?\d+$/.test(text)) return bits(this.float());
    return Number(this.#lexer.integer(`a bit pattern of type ${dtype}`, 0n, 0xffffn));
  }
}

function toFloat(text: string): number {
  if (/nan$/i.test(text)) return NaN;
  if (/(?:inf|infinity)$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text);
}

function bounds(dtype: DType): readonly [bigint, bigint] {
  const [, unsigned, width] = /^(u?)int(\d+)$/.exec(dtype) ?? [];
  const bits = BigInt(width ?? 8);
  // Bools are whole bytes.
  return unsigned === "" ? [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n] : [0n, 2n ** bits - 1n];
}

/** A tensor of which the text has only the first values: as good as one whose file is missing. */
function leftOut(dtype: DType, shape: readonly number[]): Tensor {
  return new Tensor(dtype, shape, { kind: "external", location: LEFT_OUT, range: null });
}
