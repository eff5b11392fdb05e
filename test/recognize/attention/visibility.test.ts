import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { asTensor, tensorType } from "../../../compiler/ir/type.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import type { Attention } from "../../../compiler/recognize/attention/attention.ts";
import type { Visibility } from "../../../compiler/recognize/attention/visibility.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { visibilitiesOf } from "../../../compiler/recognize/visibilities.ts";
import { tensorFrom, type Tensors } from "../../../runtime/session/tensor.ts";
import { runModel } from "../../support/run-model.ts";

const root = "samples/models";
// The CPU provider has no kernels for bfloat16.
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((path) => /[/\\]model\.onnx$/.test(path) && !path.includes("bf16"))
  .sort();

/** Sliding windows of the samples' configurations, in layers that have one. */
const WINDOW = 4;

const [BATCH, PAST, STEP] = [3, 4, 3];

/** Left and right padding, a hole, and none. */
const padding = [
  [0, 0, 1, 1, 1, 1, 1],
  [1, 1, 1, 1, 1, 0, 1],
  [1, 1, 1, 1, 1, 1, 1],
];

describe("what a mask proves", () => {
  const plain = files.flatMap((file) => {
    const { model } = openModel(join(root, file), new Sink());
    const blocks = [...visibilitiesOf(viewDecoder(model))];
    return blocks.some(([{ mask }]) => mask.kind === "add") ? [{ name: dirname(file), file }] : [];
  });

  it("is looked at in many exports", () => {
    expect(plain.length).toBeGreaterThan(35);
  });

  it.each(plain)("of $name is what onnxruntime computes", async ({ file }) => {
    const { model } = openModel(join(root, file), new Sink());
    const blocks = visibilitiesOf(viewDecoder(model));
    // Weights in a file of their own would have to be carried along.
    const isWhole = !existsSync(`${join(root, file)}.data`);
    for (const [block, visibility] of blocks) {
      expect(visibility).toMatchObject({ causal: true, unproved: null });
      expect(visibility.padding?.name).toBe("attention_mask");
      expect([null, WINDOW]).toContain(visibility.window);
      if (isWhole) await expectSeen(join(root, file), block, visibility);
    }
  });
});

/** Runs the model with a block's mask as one more output, and compares which positions it leaves. */
async function expectSeen(file: string, { mask }: Attention, { window }: Visibility): Promise<void> {
  const { model } = openModel(file, new Sink());
  const { graph } = model;
  const source = [...graph.nodes].flatMap((node) => node.outputs).find((v) => v.name === mask.source?.name);
  if (source === undefined) throw new Error("the mask is made by no node");
  const rw = new Rewriter();
  rw.setOutput(graph, graph.outputs.length, source);
  rw.setType(source, tensorType(asTensor(source.type)?.dtype ?? "float", [null, null, null, null]));
  const found = (await runModel(model, feeds(model))).get(source.name ?? "");
  if (found === undefined) throw new Error("no mask came out");
  expect(found.dims).toEqual([BATCH, 1, STEP, PAST + STEP]);
  for (let b = 0; b < BATCH; b++)
    for (let q = 0; q < STEP; q++)
      for (let k = 0; k < PAST + STEP; k++) {
        const addend = Number(found.data[(b * STEP + q) * (PAST + STEP) + k]);
        const isHidden = k > q + PAST || (window !== null && k <= q + PAST - window) || padding[b]?.[k] === 0;
        expect([b, q, k, addend === 0]).toEqual([b, q, k, !isHidden]);
      }
}

/** Zeros for everything but the attention mask. */
function feeds(model: Model): Tensors {
  return new Map(
    model.graph.inputs.map((input) => {
      const type = asTensor(input.type);
      const isMask = input.name === "attention_mask";
      const along = isMask ? PAST + STEP : type?.shape?.length === 4 ? PAST : STEP;
      const dims = (type?.shape ?? []).map((dim, axis) => {
        const size = Number(dim ?? NaN);
        return Number.isNaN(size) ? (axis === 0 ? BATCH : along) : size;
      });
      let next = 0;
      const numbers = padding.flat();
      const at = (): number => (isMask ? (numbers[next++] ?? 0) : 0);
      return [input.name ?? "", tensorFrom(type?.dtype as "float" | "float16" | "int64", dims, at)];
    }),
  );
}
