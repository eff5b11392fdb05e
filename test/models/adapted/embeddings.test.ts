import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { merge } from "../../../compiler/compile/merge.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { refusalOf, save, weight, writePeft, writeWeights } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, logitsApart } from "./family-weights.ts";
import { apartFrom, feedsFor, memberIds, oracle } from "./peft-variants.ts";

const folder = temporaryFolder();
let count = 0;
const next = (): string => path.join(folder, String(count++), "model.onnx");

/** Adapters of embeddings, and of a head: its own, or that of the embeddings which it shares. */
const all = [
  ["llama2-embedding", "llama2", "dynamo", 3],
  ["llama2-embedding", "llama2", "torchscript", 3],
  ["llama2-embedding", "llama2", "mobius", 3],
  ["llama2-head", "llama2", "dynamo", 4],
  ["llama2-head", "llama2", "torchscript", 4],
  ["gemma2-embedding", "gemma2", "dynamo", 3],
  ["gemma2-tied", "gemma2", "dynamo", 4],
] as const;

describe.each(all)(
  "LoRA of embeddings: %s on %s-%s gives PyTorch's logits",
  (name, family, exporter, sites) => {
    const input = exportOf(family, exporter);

    it("beside them", async () => {
      const output = next();
      const { kinds } = await compile({ input, output, load: [oracle(name)] });
      expect(kinds).toEqual({ lora: sites });
      expect(await logitsApart(output, oracle(name))).toBeLessThan(1e-4);
    });

    it("as inputs, and the base's without", async () => {
      const output = next();
      await compile({ input, output, load: [oracle(name)], residence: "inputs" });
      expect(await logitsApart(output, oracle(name), await feedsFor(output, oracle(name)))).toBeLessThan(
        1e-4,
      );
      expect(await apartFrom(output, input, name, await feedsFor(output, null))).toBeLessThan(1e-4);
    });

    it("in a bank, and the base's without", async () => {
      const output = next();
      await compile({ input, output, load: [oracle(name), oracle(name)], residence: "bank" });
      expect(await logitsApart(output, oracle(name), memberIds(1, 0))).toBeLessThan(1e-4);
      expect(await apartFrom(output, input, name, memberIds(-1, -1))).toBeLessThan(1e-4);
      expect(await apartFrom(output, input, name, memberIds(-1, 0))).toBeGreaterThan(0.1);
    });

    it("merged into the weights", async () => {
      const output = next();
      await merge({ input, output, load: oracle(name) });
      expect(await logitsApart(output, oracle(name))).toBeLessThan(1e-4);
    });

    it.each(["safetensors", "torch", "peft", "onnx_adapter"] as const)("in %s", async (format) => {
      const ending = { safetensors: ".safetensors", torch: ".pt", peft: "", onnx_adapter: ".onnx_adapter" };
      const to = await save(readAdapter(oracle(name)), `${next()}${ending[format]}`, format);
      const output = next();
      await compile({ input, output, load: [to] });
      expect(await logitsApart(output, oracle(name))).toBeLessThan(1e-4);
      // A state dict has a shared weight once; LoRA of it is not the head's all the same.
      const merged = next();
      await merge({ input, output: merged, load: to });
      expect(await logitsApart(merged, oracle(name))).toBeLessThan(1e-4);
    });
  },
);

describe("LoRA of embeddings that has no place is refused by name", () => {
  const load = (
    tokens: number,
    more: Readonly<Record<string, ReturnType<typeof weight>>> = {},
  ): Promise<string> =>
    writePeft(
      path.dirname(next()),
      {
        "model.embed_tokens.lora_embedding_A": weight([2, tokens]),
        "model.embed_tokens.lora_embedding_B": weight([32, 2]),
        ...more,
      },
      { target_modules: ["embed_tokens"], use_dora: Object.keys(more).length > 0 },
    );
  const input = exportOf("llama2", "dynamo");

  it("of another vocabulary", async () => {
    const given = await load(57);
    expect(await refusalOf(() => compile({ input, output: next(), load: [given] }))).toMatchObject({
      code: "ADAPTER_LEAF_SHAPE",
      name: "model.embed_tokens.lora_A.weight",
    });
  });

  it("merged with embeddings of its own, which a head may share", async () => {
    const file = await writeWeights(`${next()}.safetensors`, {
      "model.embed_tokens.lora_embedding_A": weight([2, 56]),
      "model.embed_tokens.lora_embedding_B": weight([32, 2]),
      "model.embed_tokens.weight": weight([56, 32]),
    });
    const found = await refusalOf(() => merge({ input, output: next(), load: file, settings: { alpha: 2 } }));
    expect(found).toMatchObject({ code: "MERGE_REFUSED", name: "model.embed_tokens" });
  });

  it("with DoRA", async () => {
    const given = await load(56, { "model.embed_tokens.lora_magnitude_vector": weight([32]) });
    expect(await refusalOf(() => compile({ input, output: next(), load: [given] }))).toMatchObject({
      code: "DORA_REFUSED",
      found: expect.stringContaining("outside the layers"),
    });
    expect(await refusalOf(() => merge({ input, output: next(), load: given }))).toMatchObject({
      code: "MERGE_REFUSED",
      name: "model.embed_tokens",
    });
  });
});
