import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openDecoder } from "../../compiler/compile/open-decoder.ts";
import { compile } from "../../compiler/compile/compile.ts";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { counts } from "../../compiler/recognize/decoder.ts";
import { refusalOf } from "../../compiler/recognize/model/describe.ts";

const folder = "../shared/corpus";

/** What is to be found in graphs written by others: attention and MLP blocks, all of them understood. */
const decoders: readonly (readonly [file: string, attention: number, mlp: number])[] = [
  ["A-torchscript-llama", 10, 10],
  ["B1-fx-llama-noopt", 1, 1],
  ["B1-fx-llama-static", 1, 1],
  ["B2-fx-phi3-packed-noweights", 2, 2],
  // Its graph ends behind the attention: there is no activation in it.
  ["C-dynamo-early-llama-functions", 1, 0],
  ["D-dynamo-smollm", 1, 1],
  ["E-attention24-tiny-llm", 1, 1],
  ["E-attention24-tts-talker-zeroweights", 1, 1],
  ["F-gqa-tiny-llm-sharedbuffer", 1, 1],
  ["F-genai-llama-int4-packedqkv", 2, 2],
];

const refused: readonly (readonly [file: string, looksLike: RegExp])[] = [
  ["I-functions-speech2text2-noweights", /decoder of before Llama/],
  ["N-gpt2-one-layer", /GPT-2/],
  ["N-gpt2-fused-attention", /fused com\.microsoft Attention/],
  ["N-llama-backward", /backward/],
];

// The corpus lies beside a developer's checkout, not in it.
const known = new Set(existsSync(folder) ? readdirSync(folder) : []);
const here = <T extends readonly [string, ...unknown[]]>(rows: readonly T[]): T[] =>
  rows.filter(([name]) => known.has(`${name}.onnx`));

describe("graphs written by others", () => {
  it("are listed here, each of them", () => {
    const listed = new Set([...decoders, ...refused].map(([name]) => `${name}.onnx`));
    expect([...known].filter((name) => name.endsWith(".onnx") && !listed.has(name))).toEqual([]);
  });

  for (const [name, attention, mlp] of here(decoders)) {
    it(`${name} is understood and compiles`, async () => {
      const file = join(folder, `${name}.onnx`);
      const { view } = openDecoder(file);
      expect(counts(view, "attention")).toEqual({ matched: attention, seen: attention });
      expect(counts(view, "mlp")).toEqual({ matched: mlp, seen: mlp });
      const out = mkdtempSync(join(tmpdir(), "tfc-corpus-"));
      try {
        const report = await compile({
          input: file,
          output: join(out, "model.onnx"),
          sites: mlp === 0 ? ["attn"] : ["attn", "mlp"],
          settings: { heads: 2, rank: 2 },
          allowMissingWeights: true,
        });
        expect(report.adapters).toBe(attention + mlp);
      } finally {
        rmSync(out, { recursive: true });
      }
    });
  }

  for (const [name, looksLike] of here(refused)) {
    it(`${name} is refused, and called what it is`, async () => {
      const file = join(folder, `${name}.onnx`);
      const { model, view } = openDecoder(file);
      expect(refusalOf(model, view)).toMatch(looksLike);
      const attempt = compile({
        input: file,
        output: join(tmpdir(), "never.onnx"),
        allowMissingWeights: true,
      });
      await expect(attempt).rejects.toThrow(TfcError);
      await expect(attempt).rejects.toMatchObject({ code: "NO_DECODER" });
    });
  }
});
