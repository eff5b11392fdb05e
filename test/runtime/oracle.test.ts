import { describe, expect, it } from "@jest/globals";
import { Decoder } from "../../runtime/generate/decoder.ts";
import { generate, generateText } from "../../runtime/generate/generate.ts";
import { openSession } from "../../runtime/session/session.ts";
import type { Tensors } from "../../runtime/session/tensor.ts";
import { loadTokenizer } from "../../runtime/generate/tokenizer.ts";
import { collect } from "./collect.ts";
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

const tokenizer = loadTokenizer(sample);
const cases = oracleCases();

async function text(pieces: AsyncIterable<string>): Promise<string> {
  return (await collect(pieces)).join("");
}

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

  it.each([...cases].flatMap(([name, { prompts }]) => prompts.map((_, row) => [name, row] as const)))(
    "continues as PyTorch does: %s, row %d",
    async (name, row) => {
      const oracle = cases.get(name);
      const [prompt, ids] = [oracle?.prompts[row] ?? "", oracle?.greedy_ids[row] ?? []];
      const session = await openSession(graphOf(style));
      const options = { maxNewTokens: ids.length };
      const made = await collect(generate(session, tokenizer.encode(prompt), options));
      expect(made).toEqual(ids);
      expect(await text(generateText(session, tokenizer, prompt, options))).toBe(oracle?.greedy_text[row]);
      await session.close();
    },
  );

  it("gives the same logits for a prompt in pieces", async () => {
    const session = await openSession(graphOf(style));
    const ids = tokenizer.encode(cases.get("truth")?.prompts[0] ?? "");
    const [whole, pieces] = [new Decoder(session), new Decoder(session)];
    const want = await whole.feed(ids);
    await pieces.feed(ids.slice(0, 4));
    const got = await pieces.feed(ids.slice(4));
    expect(pieces.length).toBe(ids.length);
    expect(Math.max(...want.map((logit, i) => Math.abs(logit - (got[i] ?? NaN))))).toBeLessThan(1e-4);
    await session.close();
  });
});

describe("generateText", () => {
  it("samples the same text for one seed, and another for another", async () => {
    const session = await openSession(graphOf("dynamo"));
    const sampled = (seed: number): Promise<string> =>
      text(
        generateText(session, tokenizer, "Captain Wentworth had", {
          maxNewTokens: 16,
          temperature: 0.9,
          topK: 40,
          topP: 0.95,
          seed,
        }),
      );
    const [first, again, other] = [await sampled(1), await sampled(1), await sampled(2)];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    await session.close();
  });

  it("stops at a stop id, and when the caller leaves", async () => {
    const session = await openSession(graphOf("dynamo"));
    const oracle = cases.get("elinor");
    const ids = oracle?.greedy_ids[0] ?? [];
    const prompt = tokenizer.encode(oracle?.prompts[0] ?? "");
    const stop = ids[5] ?? 0;
    const made = await collect(generate(session, prompt, { stops: [stop], maxNewTokens: ids.length }));
    expect(made).toEqual(ids.slice(0, ids.indexOf(stop)));
    for await (const id of generate(session, prompt)) {
      expect(id).toBe(ids[0]);
      break;
    }
    await session.close();
  });

  it("refuses an empty prompt", async () => {
    const session = await openSession(graphOf("dynamo"));
    await expect(generate(session, []).next()).rejects.toMatchObject({ code: "GENERATE_UNSUPPORTED" });
    await session.close();
  });
});
