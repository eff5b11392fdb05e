import path, { resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const sample = (name: string): string => resolve("samples/models/families", name, "model.onnx");

describe("where nodes run", () => {
  it("is said of each, with its layer and the reason where it is elsewhere", () => {
    const { placement } = inspect(sample("llama2-genai-int4"), { for: "cuda" });
    const off = placement?.nodes.filter(({ reason }) => reason === "types");
    expect(off?.map(({ op, layer, provider, types }) => ({ op, layer, provider, types }))).toEqual(
      [0, 1].map((layer) => ({
        op: "com.microsoft::GroupQueryAttention",
        layer,
        provider: "cpu",
        types: { wanted: expect.arrayContaining(["float16", "bfloat16"]), found: "float" },
      })),
    );
    expect(placement).toMatchObject({ provider: "cuda", reasons: { types: 2, shapes: 2 }, off: 4 });
    expect(placement?.on).toBe((placement?.nodes.length ?? 0) - 4);
    expect([placement?.copies.in.length, placement?.copies.out.length]).toEqual([2, 3]);
  });

  it("is CUDA for all of a paged graph in float16", () => {
    const { placement } = inspect(sample("llama2-genai-paged"), { for: "cuda" });
    expect(placement?.off).toBe(0);
    const named = placement?.nodes.find(({ op }) => op === "com.microsoft::PagedAttention");
    expect(named).toMatchObject({ name: "/model/layers.0/attn/PagedAttention", layer: 0, provider: "cuda" });
  });

  it("copies no bounds of shared caches, layer by layer", async () => {
    const output = path.join(folder, "shared.onnx");
    const options = { for: "cuda", dtype: "fp16", kv: "shared", maxLength: 32, adapters: false } as const;
    await compile({ input: sample("llama2-dynamo"), output, ...options });
    const { placement } = inspect(output, { for: "cuda" });
    expect(placement?.copies).toEqual({ in: [], out: [] });
    expect(placement?.nodes.filter(({ layer, provider }) => layer !== null && provider !== "cuda")).toEqual(
      [],
    );
  });

  it("is not said where nobody asks, and refused of other providers", () => {
    expect(inspect(sample("llama2-genai-int4"))).not.toHaveProperty("placement");
    const other = { for: "tpu" } as unknown as { for: "cuda" };
    expect(() => inspect(sample("llama2-genai-int4"), other)).toThrow(/for.*wanted one of cpu, cuda/s);
  });
});
