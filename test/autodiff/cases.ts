import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DType } from "../../compiler/ir/dtype.ts";
import { toHalf } from "../../compiler/ir/scalar.ts";
import { tensorFrom, type ElementType, type HostTensor } from "../../runtime/session/tensor.ts";

/** Numbers as JSON holds them: infinities, and whole numbers beyond 2^53, are text. */
export type Listed = readonly (number | string)[];

/** An input of a case. */
export interface CaseInput {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: Listed;
  /** An initializer; whole numbers are where nothing else is said. */
  readonly constant?: true;
}

/** A small graph, and what PyTorch makes of it: see samples/export/gradients/case.py. */
export interface GradientCase {
  readonly name: string;
  /** Nodes in ONNX's textual syntax, from `i0 i1 …` to `o0 o1 …`. */
  readonly body: string;
  readonly opset?: number;
  /** The type of the results, where it is not that of the first input of floats. */
  readonly result?: DType;
  /** Whether finite differences mean something: not at a kink or a step. */
  readonly smooth?: false;
  readonly inputs: readonly (CaseInput | null)[];
  readonly outputs: readonly (CaseOutput | null)[];
  /** Of each input, null where it has no gradient. */
  readonly gradients: readonly (Listed | null)[];
}

/** A result, and the gradient that comes in at it, if any does. */
export interface CaseOutput {
  readonly shape: readonly number[];
  readonly values: Listed;
  readonly cotangent?: Listed;
}

const folder = join(import.meta.dirname, "oracle");

/** The families of ops that are recorded. */
export const families = readdirSync(folder).map((file) => file.replace(".json", ""));

/** What samples/export/gradient_oracle.py recorded of a family. */
export function casesOf(family: string): readonly GradientCase[] {
  const text = readFileSync(join(folder, `${family}.json`), "utf8");
  return (JSON.parse(text) as { readonly cases: readonly GradientCase[] }).cases;
}

const floats: ReadonlySet<DType> = new Set<DType>(["float", "double", "float16", "bfloat16"]);

/** The inputs that have gradients: floats that are no initializers. */
export function isVaried(input: CaseInput | null | undefined): input is CaseInput {
  return input !== null && input !== undefined && floats.has(input.dtype) && input.constant !== true;
}

/** The type of a case's results that are floats. */
export function resultType({ inputs, result }: GradientCase): DType {
  return result ?? inputs.find((input) => input !== null && floats.has(input.dtype))?.dtype ?? "float";
}

/** A tensor that onnxruntime takes; text stands for what JSON's numbers cannot hold. */
export function tensorOf(dtype: DType, shape: readonly number[], values: Listed): HostTensor {
  if (dtype === "int64") {
    const data = BigInt64Array.from(values.map((value) => BigInt(value)));
    return { dtype, dims: shape, data };
  }
  const at = (i: number): number => numberOf(values[i]);
  return tensorFrom(dtype as Exclude<ElementType, "string">, shape, (i) =>
    dtype === "float16" ? toHalf(at(i)) : at(i),
  );
}

/** A listed number. */
export function numberOf(value: number | string | undefined): number {
  if (value === "inf") return Infinity;
  return value === "-inf" ? -Infinity : Number(value);
}
