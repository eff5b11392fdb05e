import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { chain, FUNCTION, OPSET, transcription } from "../../bench/adapters-graphs.mjs";
import { scalarlm } from "../../compiler/adapters/scalarlm.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { random } from "../../runtime/session/random.ts";
import { openSession } from "../../runtime/session/session.ts";
import type { HostTensor } from "../../runtime/session/tensor.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();

interface Sizes {
  readonly hidden: number;
  readonly heads: number;
  readonly rank: number;
  readonly dims: readonly number[];
}

const cases: readonly Sizes[] = [
  { hidden: 64, heads: 4, rank: 8, dims: [2, 5, 64] },
  { hidden: 48, heads: 12, rank: 5, dims: [1, 1, 48] },
  { hidden: 6, heads: 1, rank: 1, dims: [1, 3, 6] },
];

/** Normal numbers, the same at each call of one name. */
function normal(name: string, count: number): Float32Array {
  const draw = random(0, name);
  return Float32Array.from({ length: count }, () => 0.3 * draw.normal());
}

/** A chain of two, which calls the text's function or tfc's. */
async function resultOf(sizes: Sizes, name: string, by: "text" | "tfc"): Promise<HostTensor> {
  const { hidden, heads, rank, dims } = sizes;
  const width = { inFeatures: hidden, outFeatures: hidden, dtype: "float" } as const;
  const leaves = scalarlm.leaves(width, { heads, rank });
  const text = chain({ hidden, leaves, length: 2 }, `${name}.data`);
  let model: Model;
  if (by === "text") {
    model = parseModel(text + transcription(sizes));
  } else {
    model = parseModel(text);
    const rewriter = new Rewriter();
    const context = {
      rewriter,
      loc: { file: "", path: "" },
      name: FUNCTION,
      opset: OPSET,
      form: "single",
      members: 1,
    } as const;
    rewriter.addFunction(model, scalarlm.body(width, { heads, rank }, context));
  }
  const count = 2 * leaves.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  writeFileSync(path.join(folder, `${name}.data`), normal("weights", count));
  const file = path.join(folder, `${name}.onnx`);
  writePieces(file, emitModel(model).pieces);
  const session = await openSession(file);
  const x = {
    dtype: "float",
    dims,
    data: normal(
      "x",
      dims.reduce((a, b) => a * b, 1),
    ),
  } as const;
  const results = await session.run(new Map([["x_0", x]]));
  await session.close();
  const y = results.get("x_2");
  if (y === undefined) throw new Error("a chain without output");
  return y;
}

describe("the benchmarks' transcription of ScalarLM's formula", () => {
  it.each(cases)("computes what tfc's function computes: %j", async (sizes) => {
    const name = `${sizes.hidden}-${sizes.heads}`;
    const want = await resultOf(sizes, `${name}-text`, "text");
    const got = await resultOf(sizes, `${name}-tfc`, "tfc");
    expect(got.dims).toEqual(want.dims);
    const x = normal("x", want.data.length);
    const differences = [...want.data].map((value, i) => Math.abs(Number(value) - Number(got.data[i])));
    const added = [...want.data].map((value, i) => Math.abs(Number(value) - (x[i] ?? 0)));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
    expect(Math.max(...added)).toBeGreaterThan(0.05);
  });
});
