import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { loadModel } from "../../../runtime/model/load.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { tensorFrom, type HostTensor } from "../../../runtime/session/tensor.ts";
import { verify } from "../../../runtime/verify/verify.ts";
import { temporaryFolder } from "../../support/folder.ts";

const BASE = "samples/models/austen-llama/dynamo/model.onnx";
const LENGTH = 24;
const PROMPT = [5, 17, 230, 41, 8];

const output = path.join(temporaryFolder(), "shared.onnx");
const sessions: Session[] = [];
beforeAll(async () => {
  await compile({ input: BASE, output, for: "cpu", kv: "shared", maxLength: LENGTH, weights: "inline" });
  sessions.push(await openSession(BASE), await openSession(output));
});
afterAll(async () => {
  for (const session of sessions) await session.close();
});

describe("a graph with shared caches", () => {
  it("continues a prompt as its base does, up to the last place in its caches", async () => {
    const texts = [BASE, output].map(async (file) => {
      const model = await loadModel(file, { device: "cpu" });
      const request = { prompt: PROMPT, maxNewTokens: LENGTH - PROMPT.length, stopIds: [] };
      const { ids } = await model.generate(request).result();
      await model.close();
      return ids;
    });
    const [base = [], shared] = await Promise.all(texts);
    expect(base).toHaveLength(LENGTH - PROMPT.length);
    expect(shared).toEqual(base);
  });

  it("writes new keys into the buffer that it is given, and leaves the rest of it", async () => {
    const [, shared] = sessions;
    if (shared === undefined) throw new Error("no session");
    const caches = shared.inputs.filter(({ name }) => name.startsWith("past"));
    const buffers = new Map(
      caches.map(({ name, dims }): [string, HostTensor] => {
        const sizes = dims.map((dim) => (typeof dim === "number" ? dim : 1));
        return [name, tensorFrom("float", sizes, () => 7)];
      }),
    );
    const ids = tensorFrom("int64", [1, 3], (i) => PROMPT[i] ?? 0);
    const feeds = new Map([
      ...buffers,
      ["input_ids", ids] as const,
      ["attention_mask", tensorFrom("int64", [1, 3], () => 1)] as const,
      ["position_ids", tensorFrom("int64", [1, 3], (i) => i)] as const,
    ]);
    const presentOf = (past: string): string => past.replace("past_key_values", "present");
    const into = new Map([...buffers].map(([name, buffer]) => [presentOf(name), buffer]));
    const wanted = await shared.run(feeds);
    const got = await shared.run(feeds, undefined, into);
    expect(got.get("logits")?.data).toEqual(wanted.get("logits")?.data);
    const [first] = caches;
    if (first === undefined) throw new Error("no cache");
    const [buffer, apart] = [buffers.get(first.name), wanted.get(presentOf(first.name))];
    expect(got.get(presentOf(first.name))).toBe(buffer);
    const width = 32;
    expect(buffer?.data.slice(0, 3 * width)).toEqual(apart?.data.slice(0, 3 * width));
    // A present of its own begins with zeros.
    expect([...(buffer?.data.slice(3 * width, LENGTH * width) ?? [])]).toEqual(
      Array.from({ length: (LENGTH - 3) * width }, () => 7),
    );
  });

  it("is verified against its base, and cases longer than its caches are named", async () => {
    const cases = [
      { batch: 2, sequence: 5, past: 7 },
      { batch: 1, sequence: LENGTH, past: 1 },
    ];
    const report = await verify(BASE, output, { cases, toleranceExact: 1e-4, tolerance: 1e-4 });
    expect(report.same).toBe(true);
    expect(report.levels.map(({ cases: ran }) => ran.length)).toEqual([1, 1]);
    expect(report.skipped).toMatchObject([
      { reason: `the compiled graph's caches have room for ${LENGTH} tokens` },
    ]);
  });
});
