import path from "node:path";
import { expect } from "@jest/globals";
import type { DType } from "../../compiler/ir/dtype.ts";
import { encodeNumbers } from "../../compiler/weights/convert.ts";
import { loraOf, writeWeights, type Weights } from "../support/adapters.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

export const folder = temporaryFolder();
export const samples = path.resolve(import.meta.dirname, "../../samples/models");
export const family = (name: string): string => path.join(samples, "families", name, "model.onnx");
/** One layer, 8 wide, two heads; its MLP is 12 wide. */
export const model = writeModel(folder, "model.onnx", tinyDecoder());
export const [q, mlp, up] = ["self_attn.q_proj", "mlp", "mlp.up_proj"].map(
  (module) => `model.layers.0.${module}`,
) as [string, string, string];
export const lora = loraOf(q);
let count = 0;
export const nextFile = (ending = ".safetensors"): string => path.join(folder, `${count++}${ending}`);

export const written = (weights: Weights, metadata: Readonly<Record<string, string>> = {}): Promise<string> =>
  writeWeights(nextFile(), weights, metadata);

/** Compiles the tiny decoder with an adapter that must be refused; by residence, which is said last. */
export async function refusedWith(load: string, ...more: readonly string[]): Promise<string> {
  return refused(folder, "compile", model, "--load", load, ...more);
}

/** What `refused` returns has the file and the code, then the place; warnings and notes may stand before. */
export function expectSaid(
  message: string,
  file: string,
  code: string,
  name: string | null,
  ...texts: readonly string[]
): void {
  expect(message).toMatch(new RegExp(`^${escaped(file)}: error ${code}: `, "m"));
  if (name !== null) expect(message).toContain(`  at "${name}"`);
  for (const one of texts) expect(message).toContain(one);
}

export function escaped(file: string): string {
  return file.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** A tensor of ones with something else at an index. */
export function with1(shape: readonly number[], index: number, value: number, dtype: DType = "float") {
  const size = shape.reduce((a, b) => a * b, 1);
  const numbers = Float64Array.from({ length: size }, (_, i) => (i === index ? value : 1));
  return { dtype, shape, bytes: () => encodeNumbers(numbers, dtype) };
}
