import { describe, expect, it } from "@jest/globals";
import { loadModel } from "../../runtime/model/load.ts";
import { openSession } from "../../runtime/session/session.ts";
import type { Tensors } from "../../runtime/session/tensor.ts";
import {
  emptyCache,
  graphOf,
  largestDifference,
  nextCache,
  oracleCases,
  oracleTensor,
  sample,
  styles,
} from "./oracle.ts";

const cases = oracleCases();

describe.each(styles)("the %s export", (style) => {
  it.each([...cases.keys()])("computes PyTorch's logits: %s", async (name) => {
    const session = await openSession(graphOf(style));
    let cache: Tensors = emptyCache(session, oracleTensor(`${name}.0.input_ids`).dims[0] ?? 1);
    for (const [step] of cases.get(name)?.step_lengths.entries() ?? []) {
      const given = ["input_ids", "attention_mask", "position_ids"].map(
        (part) => [part, oracleTensor(`${name}.${step}.${part}`)] as const,
      );
      const results = await session.run(new Map([...given, ...cache]));
      const mask = given[1]?.[1];
      if (mask !== undefined) {
        expect(
          largestDifference(results.get("logits"), oracleTensor(`${name}.${step}.logits`), mask),
        ).toBeLessThan(1e-4);
      }
      cache = nextCache(session, results);
    }
    await session.close();
  });

  it("continues as PyTorch does, all prompts at once", async () => {
    const model = await loadModel(graphOf(style), { device: "cpu", tokenizer: sample });
    const rows = [...cases.values()].flatMap(({ prompts, greedy_ids: ids, greedy_text: texts }) =>
      prompts.map((prompt, i) => ({ prompt, ids: ids[i] ?? [], text: texts[i] })),
    );
    const answers = await model.generateAll(
      rows.map(({ prompt, ids }) => ({ prompt, maxNewTokens: ids.length, stopIds: [] })),
    );
    await model.close();
    expect(answers.map(({ ids, text }) => ({ ids, text }))).toEqual(
      rows.map(({ ids, text }) => ({ ids, text })),
    );
  });
});

describe("loadModel", () => {
  it("samples the same text for one seed, and another for another", async () => {
    const model = await loadModel(graphOf("dynamo"), { device: "cpu", tokenizer: sample });
    const sampled = async (seed: number): Promise<string> => {
      const sampling = { temperature: 0.9, topK: 40, topP: 0.95, seed };
      const request = { prompt: "Captain Wentworth had", maxNewTokens: 16, ...sampling };
      return (await model.generate(request).result()).text;
    };
    const [first, again, other] = [await sampled(1), await sampled(1), await sampled(2)];
    await model.close();
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it("stops at a stop id", async () => {
    const model = await loadModel(graphOf("dynamo"), { device: "cpu", tokenizer: sample });
    const oracle = cases.get("elinor");
    const ids = oracle?.greedy_ids[0] ?? [];
    const stop = ids[5] ?? 0;
    const request = { prompt: oracle?.prompts[0] ?? "", stopIds: [stop], maxNewTokens: ids.length };
    const result = await model.generate(request).result();
    await model.close();
    expect([result.ids, result.stop]).toEqual([ids.slice(0, ids.indexOf(stop)), "stop"]);
  });
});
