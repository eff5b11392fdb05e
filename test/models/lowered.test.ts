import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openSession } from "../../runtime/session/session.ts";
import { calls, feedsOf, isClose } from "./calls.ts";
import { newFamilies, samples } from "./samples.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfc-lowered-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Sinks beside the scores, which no op has. */
const KEPT = "gpt-oss";

describe("attention lowered for the CPU provider", () => {
  const written = [...samples, ...newFamilies].filter(({ name, file }) => {
    if (/bf16|genai|mobius/.test(name)) return false;
    const { model } = openModel(file, new Sink());
    return model.graph.inputs.some((input) => input.name === "attention_mask");
  });

  it("is looked at in many exports", () => {
    expect(written.length).toBeGreaterThan(35);
  });

  it.each(written)("computes what $name does", async ({ name, file }) => {
    const output = join(folder, `${name}.onnx`);
    await compile({ input: file, output, for: "cpu", weights: "inline" });
    const { model } = openModel(output, new Sink());
    const softmaxes = nodesOf(model).filter((op) => op === "Softmax").length;
    const attentions = nodesOf(model).filter((op) => op === "Attention").length;
    const written = nodesOf(openModel(file, new Sink()).model);
    const isTurned = written.includes("Sin");
    expect(nodesOf(model).includes("RotaryEmbedding")).toBe(isTurned);
    if (name.includes(KEPT)) expect([softmaxes > 0, attentions]).toEqual([true, 0]);
    else expect(attentions).toBeGreaterThan(0);
    expect(checkModelFile(output)).toEqual([]);
    if (!name.includes("quantized-dynamic"))
      await expectSame(file, output, openModel(file, new Sink()).model);
    rmSync(output);
  });
});

function nodesOf(model: Model): readonly string[] {
  const bodies = [model.graph, ...[...model.functions.values()].map(({ body }) => body)];
  return bodies.flatMap((graph) => [...nodesDeep(graph)].map(({ op }) => op));
}

async function expectSame(base: string, lowered: string, model: Model): Promise<void> {
  const [one, other] = await Promise.all(
    [base, lowered].map((file) => openSession(file, { optimizations: "off", threads: 1 })),
  );
  try {
    for (const call of calls) {
      const feeds = feedsOf(model, call);
      const [want, got] = [await one?.run(feeds), await other?.run(feeds)];
      for (const [output, tensor] of want ?? [])
        expect([call, output, isClose(tensor, got?.get(output), call)]).toEqual([call, output, true]);
    }
  } finally {
    await one?.close();
    await other?.close();
  }
}
