import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { openSession, type Session } from "../../runtime/session/session.ts";
import { tensorFrom, type Tensors } from "../../runtime/session/tensor.ts";
import { temporaryFolder } from "../support/folder.ts";

const BASE = "samples/models/austen-llama/dynamo/model.onnx";
const LENGTH = 16;
const folder = temporaryFolder();

interface Asked {
  readonly rows: number;
  readonly past: number;
  readonly step: number;
}

/** The ways of attention: the op for a token, a prompt and a row, plain ops for rows of several tokens behind a past. */
const ways = [
  { past: 0, step: LENGTH },
  { past: 10, step: LENGTH - 10 },
  { past: LENGTH - 1, step: 1 },
] as const;

describe.each([
  { batch: null, rows: [1, 2] },
  { batch: 1, rows: [1] },
  { batch: 1, unpadded: true, rows: [1] },
  { batch: 2, rows: [2] },
])("shared caches, rows fixed at $batch, unpadded: $unpadded", ({ batch, unpadded = false, rows }) => {
  const output = join(folder, `rows-${batch ?? "any"}-${String(unpadded)}.onnx`);
  let session: Session;
  beforeAll(async () => {
    const fixed = batch === null ? {} : { batch, unpadded };
    const how = { for: "cpu", kv: "shared", maxLength: LENGTH, weights: "inline", adapters: false } as const;
    await compile({ input: BASE, output, ...how, ...fixed });
    session = await openSession(output);
  });
  afterAll(async () => {
    await session.close();
  });

  const asked = rows.flatMap((many) => ways.map((way) => ({ rows: many, ...way })));

  it.each(asked)("take $step tokens behind $past up to their last place, of $rows rows", async (ask) => {
    const results = await session.run(feedsOf(session, ask));
    expect(results.get("present.0.key")?.dims).toEqual([ask.rows, 2, LENGTH, 32]);
  });

  // A cache that is full to its last place, and one token more, is what the op takes for one that grows.
  it.each([
    ...asked.map(({ step, ...ask }) => ({ ...ask, step: step + 1 })),
    ...rows.map((many) => ({ rows: many, past: LENGTH, step: 1 })),
    ...rows.map((many) => ({ rows: many, past: LENGTH + 1, step: 1 })),
  ])("are no longer than they are: $step tokens behind $past of $rows rows are an error", async (ask) => {
    await expect(session.run(feedsOf(session, ask))).rejects.toThrow(`kv_at_most_${LENGTH}_tokens`);
  });
});

function feedsOf(session: Session, { rows, past, step }: Asked): Tensors {
  const caches = session.inputs.filter(({ name }) => name.startsWith("past"));
  const feeds = new Map([
    ["input_ids", tensorFrom("int64", [rows, step], (i) => 5 + (i % 90))],
    ["attention_mask", tensorFrom("int64", [rows, past + step], () => 1)],
    ["position_ids", tensorFrom("int64", [rows, step], (i) => past + (i % step))],
    ...caches.map(({ name }) => {
      const cache = tensorFrom("float", [rows, 2, LENGTH, 32], (i) => Math.sin(i));
      return [name, cache] as const;
    }),
  ]);
  const taken = new Set(session.inputs.map(({ name }) => name));
  return new Map([...feeds].filter(([name]) => taken.has(name)));
}
