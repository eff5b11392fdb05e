import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loadModel } from "../../../runtime/model/load.ts";
import type { GenerateRequest, Model, Result } from "../../../runtime/model/types.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { graphs } from "./graphs.ts";

/** Graphs whose rows share runs, in float32. */
const batched = [
  "caches that grow, under a mask",
  "caches that grow, attention as one op",
  "shared caches",
  "pages",
  "lengths, no positions",
  "a cache of a window",
  "caches written by indices",
];

const short = [7, 11, 3];
const long = (first: number): number[] => Array.from({ length: 19 }, (_, i) => 1 + ((first + 5 * i) % 14));

describe.each(batched)("%s", (name) => {
  const folder = temporaryFolder();
  let model: Model;

  beforeAll(async () => {
    const file = await graphs[name]?.(folder);
    model = await loadModel(file ?? "", { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());

  const request = (prompt: readonly number[]): GenerateRequest => ({
    ...{ prompt, maxNewTokens: 10, stopIds: [], logprobs: 3 },
  });
  const numbers = ({ logprobs }: Result): number[] =>
    (logprobs ?? []).flatMap(({ logprob, top }) => [logprob, ...top.map((one) => one.logprob)]);

  it("a short row beside a long one has its own numbers, to rounding", async () => {
    const alone = await model.generate(request(short)).result();
    const [beside] = await model.generateAll([request(short), request(long(2))]);
    if (beside === undefined) throw new Error("no answer");
    expect(beside.ids).toEqual(alone.ids);
    const apart = numbers(beside).map((value, i) => Math.abs(value - (numbers(alone)[i] ?? NaN)));
    expect(Math.max(...apart)).toBeLessThan(1e-5);
  });

  it("what another row holds adds exactly nothing to it", async () => {
    const [first] = await model.generateAll([request(short), request(long(2))]);
    const [second] = await model.generateAll([request(short), request(long(9))]);
    if (first === undefined || second === undefined) throw new Error("no answers");
    expect(numbers(second)).toEqual(numbers(first));
  });
});
