import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { fromHalf, toHalf } from "../../compiler/weights/half.ts";
import { random } from "../../runtime/session/random.ts";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";
import { newFamilies, samples } from "./samples.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tfc-lowered-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** One call: rows, tokens before, new tokens, and which positions of each row are padding. */
interface Call {
  readonly rows: number;
  readonly past: number;
  readonly step: number;
  readonly padding: "none" | "left" | "right";
}

const calls: readonly Call[] = [
  { rows: 1, past: 0, step: 5, padding: "none" },
  { rows: 2, past: 3, step: 1, padding: "left" },
  { rows: 3, past: 4, step: 3, padding: "left" },
  { rows: 3, past: 4, step: 3, padding: "right" },
  { rows: 2, past: 0, step: 6, padding: "right" },
];

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
        expect([call, output, farthest(tensor, got?.get(output), call)]).toEqual([call, output, true]);
    }
  } finally {
    await one?.close();
    await other?.close();
  }
}

/** Whether two tensors are as close as rounding leaves them, padding apart, which means nothing. */
function farthest(want: HostTensor, got: HostTensor | undefined, call: Call): boolean {
  if (got?.data.length !== want.data.length) return false;
  const isHalf = want.dtype === "float16";
  const allowed = isHalf ? 0.02 : 1e-4;
  const read = (element: unknown): number => (isHalf ? fromHalf(Number(element)) : Number(element));
  return [...want.data].every((element, i) => {
    const number = read(element);
    const difference = Math.abs(number - read(got.data[i]));
    return isPadding(want, i, call) || difference <= allowed * (1 + Math.abs(number));
  });
}

function isPadding({ dims }: HostTensor, place: number, call: Call): boolean {
  const [rows = 1] = dims;
  const row = Math.floor(place / (dims.slice(1).reduce((a, b) => a * b, 1) || 1));
  const positions = call.past + call.step;
  if (rows !== call.rows) return false;
  if (dims.length === 3 && dims[1] === call.step) {
    const at = Math.floor(place / (dims[2] ?? 1)) % call.step;
    return isHidden(row, call.past + at, call);
  }
  const at = Math.floor(place / (dims[3] ?? 1)) % positions;
  return dims.length === 4 && dims[2] === positions && isHidden(row, at, call);
}

function isHidden(row: number, position: number, { past, step, padding }: Call): boolean {
  if (padding === "left") return position < row;
  return padding === "right" && position >= past + step - row;
}

function feedsOf(model: Model, call: Call): Tensors {
  const { rows, past, step } = call;
  return new Map(
    model.graph.inputs.map((input) => {
      const type = asTensor(input.type);
      const name = input.name ?? "";
      const isMask = name === "attention_mask";
      const along = isMask ? past + step : type?.shape?.length === 4 ? past : step;
      const dims = (type?.shape ?? []).map((dim, axis) => {
        const size = Number(dim ?? NaN);
        return Number.isNaN(size) ? (axis === 0 ? rows : along) : size;
      });
      const stream = random(7, name);
      let place = 0;
      const at = (): number => {
        const i = place++;
        if (isMask) return isHidden(Math.floor(i / (past + step)), i % (past + step), call) ? 0 : 1;
        if (name === "position_ids") return past + (i % step);
        const number = type?.dtype === "int64" ? stream.below(50) : stream.normal() / 2;
        return type?.dtype === "float16" ? toHalf(number) : number;
      };
      return [name, tensorFrom(type?.dtype as "float" | "float16" | "int64", dims, at)];
    }),
  );
}
