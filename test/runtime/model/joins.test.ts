import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest, Model } from "../../../runtime/model/types.ts";
import { random } from "../../../runtime/session/random.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { graphs } from "./graphs.ts";

/** Requests of one graph, and the most tokens of a prompt and of an answer. */
const [REQUESTS, PROMPT, ANSWER] = [20, 25, 14];
/** Milliseconds within which they come, and within which some are left again. */
const [COME, LEAVE] = [60, 40];

function requestsFor(vocabulary: number, name: string): GenerateRequest[] {
  const numbers = random(1, name);
  const below = (n: number): number => numbers.below(n);
  return Array.from({ length: REQUESTS }, () => ({
    prompt: Array.from({ length: 1 + below(PROMPT) }, () => below(vocabulary)),
    maxNewTokens: 1 + below(ANSWER),
    stopIds: [],
  }));
}

describe.each(Object.entries(graphs))("rows that join and leave: %s", (name, make) => {
  const folder = temporaryFolder();
  let model: Model;

  beforeAll(async () => {
    model = await loadModel(await make(folder), { device: "cpu", threads: 1, maxBatch: 4 });
  });
  afterAll(() => model.close());

  it("answer as they do alone, whoever comes and goes beside them", async () => {
    const requests = requestsFor(model.vocabularySize ?? 0, name);
    const alone: (readonly number[])[] = [];
    for (const request of requests) alone.push((await model.generate(request).result()).ids);
    const numbers = random(2, name);
    const below = (n: number): number => numbers.below(n);
    let answered = 0;
    const together = requests.map(async (request, i) => {
      const [comes, leaves] = [below(COME), below(4) === 0 ? below(LEAVE) : null];
      await pause(comes);
      const signal = leaves === null ? undefined : AbortSignal.timeout(leaves);
      const answer = model.generate(signal === undefined ? request : { ...request, signal });
      const result = await answer.result().catch((error: unknown) => {
        expect(error).toMatchObject({ name: "TimeoutError" });
        return null;
      });
      if (result === null) return;
      answered++;
      expect(result.ids).toEqual(alone[i]);
    });
    await Promise.all(together);
    expect(answered).toBeGreaterThanOrEqual(REQUESTS / 2);
    expect(model.load).toEqual({ running: 0, waiting: 0 });
  });
});
