import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFloat, type DType } from "../../compiler/ir/dtype.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf, toHalf } from "../../compiler/ir/scalar.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { random } from "../../runtime/session/random.ts";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom, type ElementType, type Tensors } from "../../runtime/session/tensor.ts";
import { initializersOf } from "./initializers.ts";

const SEED = 20;

/** Runs a model in onnxruntime as it is, without optimisations. Weights whose file is missing are made up. */
export async function runModel(model: Model, feeds: Tensors): Promise<Tensors> {
  makeWeights(model);
  const folder = mkdtempSync(join(tmpdir(), "tfc-case-"));
  try {
    const file = join(folder, "model.onnx");
    writePieces(file, emitModel(model).pieces);
    const session = await openSession(file, { optimizations: "off", threads: 1 });
    try {
      return await session.run(feeds);
    } finally {
      await session.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Random values for graph inputs, the same whenever names and shapes are the same. */
export function feedsOf(model: Model, shapes: Readonly<Record<string, readonly number[]>>): Tensors {
  return new Map(
    Object.entries(shapes).map(([name, dims]) => {
      const input = model.graph.inputs.find((value) => value.name === name);
      const dtype = asTensor(input?.type)?.dtype;
      if (dtype === undefined) throw new Error(`feeds: the graph has no input tensor "${name}"`);
      const next = numbersOf(dtype, name);
      const at = dtype === "float16" ? () => toHalf(next()) : next;
      return [name, tensorFrom(dtype as Exclude<ElementType, "string">, dims, at)];
    }),
  );
}

/** The place of a weight, such as `["location": "q"]`, is its seed: one place holds the same numbers in any graph. */
export function makeWeights(model: Model): void {
  const rw = new Rewriter();
  for (const value of initializersOf(model)) {
    const tensor = value.constant;
    if (tensor?.storage.kind !== "external" || tensor.storage.range !== null) continue;
    const next = numbersOf(tensor.dtype, tensor.storage.location);
    const numbers = Array.from({ length: tensor.size }, () => next() / 2);
    rw.setConstant(value, tensorOf(tensor.dtype, tensor.shape, numbers));
  }
}

/** Floats around zero; of other types 0 or 1, which are also indices, positions and truth values. */
function numbersOf(dtype: DType, name: string): () => number {
  const stream = random(SEED, name);
  return isFloat(dtype) ? () => stream.normal() : () => stream.below(2);
}
