import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { grow } from "../../compiler/compile/adapter/resize.ts";
import { compile } from "../../compiler/compile/compile.ts";
import { train, type TrainModelOptions, type TrainReport } from "../../compiler/compile/training/train.ts";
import { characterTokenizer } from "../support/character-tokenizer.ts";
import { jsonl } from "../runtime/train/texts.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const tokenizer = characterTokenizer(folder);
const samples = path.resolve(import.meta.dirname, "../../samples/models/families");
const VOCABULARY = 56;
const data = [
  jsonl(
    path.join(folder, "texts.jsonl"),
    Array.from({ length: 40 }, (_, i) => ({ text: `Emma is ${i} and handsome, clever, and rich.` })),
  ),
];
const usual = { data, tokenizer, length: 32, batch: 4, learningRate: 0.01, base: "all" } as const;
let count = 0;

function run(model: string, options: Partial<TrainModelOptions>): Promise<TrainReport> {
  const out = path.join(folder, `run${count++}`);
  return train(path.join(samples, model, "model.onnx"), { ...usual, out, ...options });
}

function evaluations({ files }: TrainReport): number[] {
  const lines = readFileSync(files.metrics, "utf8").trimEnd().split("\n");
  return lines.flatMap((line) => {
    const { eval_loss: loss } = JSON.parse(line) as { eval_loss?: number };
    return loss === undefined ? [] : [loss];
  });
}

describe("a Tokenformer from nothing", () => {
  // The paper's layout, and every projection by itself; of packed projections all parts.
  it.each([
    ["q_proj,k_proj,v_proj,o_proj,mlp", "llama2-dynamo"],
    ["projections", "llama2-dynamo"],
    ["projections", "phi3-dynamo"],
  ])(
    "of %s of %s learns, and grows 1, 2, 4 times without a change of its loss",
    async (sites, model) => {
      const replace = [{ sites, settings: { tokens: 4 } }];
      const first = await run(model, { replace, fromScratch: true, steps: 24, evalEvery: 24 });
      const [begun = NaN, learned = NaN] = evaluations(first);
      // Who knows nothing of the tokens.
      expect(Math.abs(begun - Math.log(VOCABULARY))).toBeLessThan(0.3);
      expect(learned).toBeLessThan(begun - 0.5);
      let [before, last] = [first, learned];
      for (const times of [2, 4]) {
        const output = path.join(before.out, "grown.safetensors");
        const grown = await grow({ input: before.files.adapter, output, sizes: { tokens: "2x" } });
        expect(grown.sites.length).toBeGreaterThan(8);
        expect(grown.sites.every(({ to }) => to === 4 * times)).toBe(true);
        const state = before.out;
        const after = await run(model, { replace: [{ sites }], load: [output], state, steps: 12 });
        const all = evaluations(after);
        expect(Math.abs((all[0] ?? NaN) - last)).toBeLessThan(1e-5);
        expect(all.at(-1)).toBeLessThan(last);
        expect(after.parameters).toBeGreaterThan(before.parameters);
        [before, last] = [after, all.at(-1) ?? NaN];
      }
      const compiled = path.join(before.out, "compiled.onnx");
      const input = path.join(samples, model, "model.onnx");
      const replaced = { replace: [{ sites }], load: [before.files.adapter] };
      expect((await compile({ input, output: compiled, ...replaced })).diagnostics).toEqual([]);
    },
    240_000,
  );

  it("is another one with another seed, and the same one again", async () => {
    const begin = (seed: number): Promise<TrainReport> =>
      run("llama2-dynamo", { adapters: false, fromScratch: true, seed, steps: 1, evalSplit: 0 });
    const [one, again, other] = [await begin(1), await begin(1), await begin(2)];
    expect(again.loss).toEqual(one.loss);
    expect(other.loss).not.toEqual(one.loss);
  }, 120_000);
});
