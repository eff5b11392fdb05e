import { describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { verifyCompiled } from "../../../compiler/compile/verify/verify-compiled.ts";
import { residentOf, windowFor } from "../../../runtime/engine/window.ts";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest } from "../../../runtime/model/types.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { full, WINDOW, windowed } from "./graphs.ts";

const folder = temporaryFolder();

/** Prompts shorter than the window, as long, longer than its cache, and of several times its length. */
const prompts = [1, WINDOW, WINDOW + 2, 6 * WINDOW].map((length) =>
  Array.from({ length }, (_, i) => 3 + ((7 * i) % 11)),
);

describe("a cache of a window", () => {
  it("answers as one of the whole sequence does, alone and in batches", async () => {
    const requests = prompts.map((prompt): GenerateRequest => ({ prompt, maxNewTokens: 20, stopIds: [] }));
    const answers: (readonly (readonly number[])[])[] = [];
    for (const make of [full, windowed]) {
      const model = await loadModel(await make(folder), { device: "cpu", threads: 1 });
      const alone: (readonly number[])[] = [];
      for (const request of requests) alone.push((await model.generate(request).result()).ids);
      answers.push(
        alone,
        (await model.generateAll(requests)).map(({ ids }) => ids),
      );
      await model.close();
    }
    expect(answers[0]).toHaveLength(prompts.length);
    for (const other of answers.slice(1)) expect(other).toEqual(answers[0]);
  });

  it("is given room when a graph that has one is compared with its base", async () => {
    const input = await windowed(folder);
    const output = `${folder}/compiled.onnx`;
    await compile({ input, output, entries: [{ kind: "lora", sites: "q_proj", settings: { rank: 2 } }] });
    const { same, levels, skipped } = await verifyCompiled(input, output);
    expect(same).toBe(true);
    // What is left out is what the op itself refuses: several tokens of several rows behind a past.
    expect(skipped.map(({ case: { batch, sequence, past } }) => [batch > 1, sequence > 1, past > 0])).toEqual(
      skipped.map(() => [true, true, true]),
    );
    expect(levels.every(({ cases }) => cases.length === 8)).toBe(true);
  });
});

describe("the tokens that are left in a cache of a window", () => {
  // Its own definition, token by token: a full cache makes room for as many as it has beyond the window.
  it.each([
    [4, 4],
    [4, 5],
    [4, 7],
    [16, 18],
    [3, 11],
  ])("of %d with room for %d", (seen, places) => {
    let kept = 0;
    for (let tokens = 1; tokens <= 5 * places; tokens++) {
      kept = kept === places ? seen : kept + 1;
      expect(residentOf({ seen, places }, tokens)).toBe(kept);
    }
  });

  it("are at least those that it sees", () => {
    expect(windowFor(16, "cpu")).toEqual({ seen: 16, places: 18 });
    expect(windowFor(16, "cuda")).toEqual({ seen: 16, places: 16 });
  });
});
