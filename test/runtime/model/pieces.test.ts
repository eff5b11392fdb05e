import { copyFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest, Model, Result } from "../../../runtime/model/types.ts";
import { random } from "../../../runtime/session/random.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { compiled, graphs, samples } from "./graphs.ts";

/** Prompts of two and of three pieces of 256 tokens, the last one not whole; some graphs know 512 positions. */
const [LENGTH, LONGER] = [480, 700];
const austen = path.join(samples, "austen-llama");

/** Graphs away from their configurations, which say that they were trained on fewer tokens. */
const long: Readonly<Record<string, (folder: string) => Promise<string>>> = {
  "caches that grow, under a mask": (folder) => {
    for (const file of ["model.onnx", "model.onnx.data"])
      copyFileSync(path.join(austen, "dynamo", file), path.join(folder, file));
    return Promise.resolve(path.join(folder, "model.onnx"));
  },
  "shared caches": compiled(path.join(austen, "dynamo/model.onnx"), {
    for: "cpu",
    kv: "shared",
    maxLength: 1024,
  }),
};
for (const name of ["caches that grow, attention as one op", "the last positions' logits", "pages"])
  Object.assign(long, { [name]: graphs[name] });

describe.each(Object.entries(long))("a prompt that is fed in pieces: %s", (name, make) => {
  const folder = temporaryFolder();
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(await make(folder), { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  it("has the answer it has alone, and lets the others have theirs meanwhile", async () => {
    const numbers = random(3, name);
    const length = name === "pages" ? LENGTH : LONGER;
    const prompt = Array.from({ length }, () => numbers.below(model.vocabularySize ?? 0));
    const request: GenerateRequest = { prompt, maxNewTokens: 6, stopIds: [], logprobs: 1 };
    const other: GenerateRequest = { prompt: prompt.slice(0, 9), maxNewTokens: 40, stopIds: [] };
    const alone = await model.generate(request).result();
    const otherAlone = await model.generate(other).result();

    const running = model.generate(other);
    let late: Promise<Result> | undefined;
    const begun: number[] = [];
    let meanwhile = 0;
    for await (const { ids } of running.pieces()) {
      if (late === undefined) {
        const answer = model.generate(request);
        late = answer.result();
        void (async () => {
          for await (const piece of answer.pieces()) begun.push(...piece.ids);
        })();
      } else if (begun.length === 0 && model.load.running === 2) meanwhile += ids.length;
    }
    // The others have a turn between two pieces; fed at once, the prompt would let them have none.
    expect(meanwhile).toBeGreaterThanOrEqual(Math.floor(length / 256));
    const together = await late;
    expect(together?.ids).toEqual(alone.ids);
    for (const [i, { logprob }] of (alone.logprobs ?? []).entries())
      expect(together?.logprobs?.[i]?.logprob).toBeCloseTo(logprob, 3);
    expect((await running.result()).ids).toEqual(otherAlone.ids);
  });
});
