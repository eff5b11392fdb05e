import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { inspection } from "../../../compiler/compile/inspect.ts";
import { openDecoder } from "../../../compiler/compile/open-decoder.ts";
import { compile } from "../../../compiler/compile/compile.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { verify } from "../../../runtime/verify/verify.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, exports, lowered, loweredExport } from "./serving.ts";

const folder = temporaryFolder();

describe.each(exports)("the %s export", (name) => {
  const before = path.join(folder, name, "before.onnx");
  const after = path.join(folder, name, "after.onnx");
  let [base, inside] = ["", ""];

  beforeAll(async () => {
    base = loweredExport(folder, name);
    await compile({ input: exportOf(name), output: before, weights: "copy", lowerPagedAttention: true });
    await compile({ input: exportOf(name), output: after, weights: "copy" });
    inside = lowered(after);
  });

  it("is understood as vLLM's style, whole", () => {
    const report = inspection(openDecoder(exportOf(name)));
    expect(report).toMatchObject({
      style: "vllm",
      hiddenSize: 128,
      matched: { attention: 6, mlp: 6 },
      seen: { attention: 6, mlp: 6 },
      misses: [],
    });
    expect(report.layers.map((layer) => layer.name)).toEqual(
      [0, 1, 2, 3, 4, 5].map((i) => `model.layers.${i}`),
    );
    for (const { attention, mlp } of report.layers) {
      expect(attention).toMatchObject({
        heads: 4,
        kvHeads: 2,
        headDim: 32,
        packing: expect.stringMatching(/^(split|op)$/),
        cache: { kind: "op" },
      });
      expect(attention).toMatchObject({ rotary: { partial: false }, mask: { kind: "causal" } });
      expect(mlp).toMatchObject({ activation: "silu", gated: true, packing: "split", intermediateSize: 352 });
    }
  });

  it("is compiled to a graph that computes the same, attention lowered before outlining", async () => {
    const report = await verify(base, before, { threads: 1 });
    expect(report.skipped).toEqual([]);
    expect(report.levels.map(({ same }) => same)).toEqual([true, true]);
    expect(report.levels[0]).toMatchObject({ optimizations: "off", exact: true, outputs: 13 });
  });

  it("is compiled to a graph that computes the same, attention lowered inside the outlined functions", async () => {
    const cases = [
      { batch: 1, sequence: 5, past: 0 },
      { batch: 2, sequence: 1, past: 7 },
    ];
    const report = await verify(base, inside, { threads: 1, levels: ["off"], cases });
    expect(report.levels[0]).toMatchObject({ optimizations: "off", exact: true, outputs: 13 });
  });

  it("keeps the op, unless asked", () => {
    const ops = (file: string): Set<string> => {
      const { model } = openModel(file, new Sink());
      const bodies = [model.graph, ...[...model.functions.values()].map((func) => func.body)];
      return new Set(bodies.flatMap((graph) => [...graph.nodes].map((node) => node.op)));
    };
    const op = name === "paged" ? "com.microsoft::PagedAttention" : "vllm::unified_attention";
    expect(ops(after)).toContain(op);
    expect(ops(before)).not.toContain(op);
    expect(ops(inside)).not.toContain(op);
  });
});
