import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { has } from "../../compiler/ops/table.ts";
import { IGNORED_LABEL, trainOutputs } from "../../compiler/ops/training.ts";
import { random } from "../../runtime/session/random.ts";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom, type Tensors } from "../../runtime/session/tensor.ts";
import {
  batchFeeds,
  firstParameters,
  given,
  parameterNames,
  scalar,
  type Batch,
} from "../support/train-steps.ts";

const families = "samples/models/families";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tfc-train-quantized-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Two rows of nine tokens, the first with padding in front, of which nothing is learned. */
const batch: Batch = (() => {
  const stream = random(7, "tokens");
  const ids = [0, 1].map(() => Array.from({ length: 9 }, () => stream.below(40) + 1));
  const shown = (row: number, at: number): boolean => row === 1 || at >= 3;
  return {
    ids,
    mask: ids.map((tokens, row) => tokens.map((_, at) => (shown(row, at) ? 1 : 0))),
    // No row but padding says what its first token is.
    labels: ids.map((tokens, row) => tokens.map((id, at) => (shown(row, at - 1) ? id : IGNORED_LABEL))),
  };
})();

/** Numbers of the size of 0.15. */
function drawn(name: string, dims: readonly number[], by = 0.15): ReturnType<typeof tensorFrom> {
  const stream = random(11, name);
  return tensorFrom("float", dims, () => by * stream.normal());
}

async function compiled(name: string): Promise<string> {
  const output = path.join(folder, name, "model.onnx");
  const input = `${families}/${name}/model.onnx`;
  await compile({ input, output, adapter: "scalarlm", train: { emit: "grads", memory: "recompute" } });
  return output;
}

describe("a base whose weights are stored in few bits, or attention that is one op", () => {
  it.each([
    ["llama2-quantized-nbits"],
    ["llama2-genai-int4"],
    ["phi3-longrope-genai-int4"],
    ["gemma2-genai-fp32"],
    ["phi3-mobius"],
  ])("%s gives gradients that are the differences of its loss", async (name) => {
    const file = await compiled(name);
    const session = await openSession(file, { threads: 1 });
    try {
      const names = parameterNames(file);
      const first = firstParameters(file);
      const parameters = new Map(names.map((one) => [one, drawn(one, given(first, one).dims)]));
      const feeds: Tensors = new Map([...batchFeeds(batch), ...parameters]);
      const results = await session.run(feeds);
      for (const one of names) {
        const own = given(feeds, one);
        const [at, gradient] = [own.data as Float32Array, given(results, `${one}.grad`).data as Float32Array];
        const direction = drawn(`${one} moved`, own.dims, 1).data as Float32Array;
        const step = 0.06 / Math.sqrt(at.length);
        const lossAt = async (by: number): Promise<number> => {
          const data = at.map((number, i) => number + by * (direction[i] ?? 0));
          return scalar(await session.run(new Map([...feeds, [one, { ...own, data }]])), trainOutputs.loss);
        };
        const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
        const parts = gradient.map((number, i) => number * (direction[i] ?? 0));
        const size = parts.reduce((sum, part) => sum + Math.abs(part), 1e-2);
        const found = parts.reduce((sum, part) => sum + part, 0);
        expect(Math.abs(found - slope) / size).toBeLessThan(2e-3);
      }
    } finally {
      await session.close();
    }
  });

  it.each(["dynamo", "torchscript"])(
    "multiplies by each weight of %s once where that is kept",
    async (style) => {
      const input = `samples/models/austen-llama/${style}/model.onnx`;
      const output = path.join(folder, style, "model.onnx");
      const train = { memory: "selective" } as const;
      await compile({ input, output, adapter: "scalarlm", quantize: "int4", train });
      const { model } = openModel(output, new Sink());
      // Seven of each of six layers, and the head.
      expect(productsIn(model.graph, model)).toBe(6 * 7 + 1);
    },
  );

  it.each([["llama2-quantized-nbits"], ["llama2-quantized-static"]])(
    "%s makes floats of a weight for its gradient when that is there",
    async (name) => {
      const { model } = openModel(await compiled(name), new Sink());
      const gradients = [...model.functions.values()].filter((func) => func.name.includes("Gradient"));
      const makers = gradients.flatMap(({ body }) => [...nodesDeep(body)].filter(isWeight));
      expect(makers.length).toBeGreaterThan(0);
      for (const maker of makers)
        expect([maker.result.name, waits(maker, model)]).toEqual([maker.result.name, true]);
    },
  );
});

/** How often a graph, and what it calls, multiply by weights of few bits. */
function productsIn(graph: Graph, model: Model): number {
  const each = [...nodesDeep(graph)].map((node) => {
    const callee = model.callee(node);
    return callee === undefined
      ? Number(node.op === "com.microsoft::MatMulNBits")
      : productsIn(callee.body, model);
  });
  return each.reduce((sum, one) => sum + one, 0);
}

/** Whether a node makes floats of what is stored. */
function isWeight(node: Node): boolean {
  if (node.op === "com.microsoft::GatherBlockQuantized") return true;
  return has(node, "dequantize") && node.input(0)?.producer === null;
}

/** Whether a gradient, by name, is among what a node is made of. */
function waits(node: Node, model: Model): boolean {
  const pending: Node[] = [node];
  const seen = new Set<Node>();
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at) || model.callee(at) !== undefined) continue;
    seen.add(at);
    for (const value of at.inputs) {
      if (value?.producer != null) pending.push(value.producer);
      else if (value?.name?.startsWith("d_") === true) return true;
    }
  }
  return false;
}
