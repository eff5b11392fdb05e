import { expect, test } from "@jest/globals";
import type { KindName } from "../../../compiler/adapters/index.ts";
import { noAdapter } from "../../../runtime/adapters/fill.ts";
import { adapterInterface } from "../../../runtime/adapters/ports.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { all, bitsOf, withInputs } from "./store-graph.ts";

test.each<readonly [KindName, string, object]>([
  ["scalarlm", "attn,mlp", { heads: 4, rank: 3 }],
  ["lora", all, { rank: 2 }],
  ["pattention", "attn,mlp", { tokens: 3, norm: "l2_norm_gelu" }],
  ["pattention", "attn,mlp", { tokens: 3, norm: "gelu_l2_norm" }],
  ["pattention", "attn,mlp", { tokens: 3, norm: "softmax" }],
])("%s of size one and of zeros adds as little as none, for %s with %p", async (kind, sites, settings) => {
  const session = await openSession(await withInputs(kind, sites, settings));
  const taken = adapterInterface(session.file, session.inputs);
  const one = noAdapter(taken, 1);
  expect([...one.values()].filter(({ dims }) => dims.includes(0))).toEqual([]);
  expect(await bitsOf(session, one)).toEqual(await bitsOf(session, noAdapter(taken)));
  await session.close();
});
