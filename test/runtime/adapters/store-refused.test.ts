import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { adapterFile, compile } from "../../../compiler/compile/compile.ts";
import { BASE_KEY } from "../../../compiler/weights/fingerprint.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { AdapterStore, type AddOptions } from "../../../runtime/adapters/store.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { type HostTensor } from "../../../runtime/session/tensor.ts";
import { apart, logitsOf, recorded, samples, TOLERANCE } from "../../models/adapted/logits.ts";
import {
  loraOf,
  pattentionOf,
  refusalOf,
  type refusal,
  save,
  scalarlmOf,
  weight,
  writeWeights,
  type Weights,
} from "../../support/adapters.ts";
import { filesIn } from "../../support/folder.ts";
import { withHeader } from "../../support/safetensors-header.ts";
import { graphOf } from "../oracle.ts";
import {
  all,
  bitsWith,
  folder,
  nextFile,
  patterns,
  plain,
  q,
  savedModules,
  someLayers,
  withInputs,
} from "./store-graph.ts";

let session: Session;
let compiled: string;
beforeAll(async () => {
  compiled = await withInputs("lora", all, { rank: 2 });
  session = await openSession(compiled, { threads: 1 });
});
afterAll(() => session.close());

describe("what does not fit is refused, and the store is as it was", () => {
  const wide = { inFeatures: 128, outFeatures: 128 };
  const hints = { alpha: 4 };
  let store: AdapterStore;
  let before: { bits: Buffer; state: unknown[] };

  const state = (): unknown[] => [store.names, store.loaded];
  beforeAll(async () => {
    store = new AdapterStore(session);
    await store.add("a", patterns);
    await store.add("b", plain);
    before = { bits: await bitsWith(session, store, "b"), state: state() };
  });

  /** Adds under a name that is known and under one that is not; gives what the refusals say. */
  async function refused(from: string, given: AddOptions["hints"] = {}): Promise<ReturnType<typeof refusal>> {
    const files = filesIn(folder);
    const feeds = (await store.lease("b")).feeds;
    const [first, second] = await Promise.all(
      ["b", "new"].map((name) => refusalOf(() => store.add(name, from, { hints: given }))),
    );
    expect(second).toEqual(first);
    expect(state()).toEqual(before.state);
    expect((await store.lease("b")).feeds).toBe(feeds);
    expect((await bitsWith(session, store, "b")).equals(before.bits)).toBe(true);
    expect(filesIn(folder)).toEqual(files);
    if (first === undefined) throw new Error("nothing was refused");
    return first;
  }

  const written = (weights: Weights): Promise<string> => writeWeights(nextFile(), weights);

  it("an adapter of another kind at the same site", async () => {
    const file = await written(pattentionOf(q, { tokens: 3, ...wide }));
    expect(await refused(file)).toMatchObject({
      code: "ADAPTER_KIND_OTHER",
      file,
      name: q,
      text: expect.stringContaining("wanted lora, found pattention"),
    });
  });

  it("an adapter of another kind at another site", async () => {
    const file = path.join(samples, "austen-llama/adapters.safetensors");
    const name = "model.layers.0.self_attn.tokenformer_k";
    expect(await refused(file)).toMatchObject({ code: "ADAPTER_SITE_MISSING", file, name });
  });

  it("an adapter of a layer that is not there", async () => {
    const file = await written({
      ...loraOf(q, wide),
      ...loraOf("model.layers.6.mlp.up_proj", { inFeatures: 128, outFeatures: 352 }),
    });
    const name = "model.layers.6.mlp.up_proj.lora_A.weight";
    expect(await refused(file, hints)).toMatchObject({ code: "ADAPTER_SITE_MISSING", file, name });
  });

  it.each([
    ["lora_A.weight", { inFeatures: 64, outFeatures: 128 }, "2,64"],
    ["lora_B.weight", { inFeatures: 128, outFeatures: 64 }, "64,2"],
  ])("a shape that does not fit: %s", async (leaf, width, found) => {
    const file = await written(loraOf(q, width));
    const name = `${q}.${leaf}`;
    expect(await refused(file, hints)).toMatchObject({
      code: "ADAPTER_LEAF_SHAPE",
      file,
      name,
      text: expect.stringMatching(new RegExp(`wanted \\[.*\\b128\\b.*\\], found \\[${found}\\]`)),
    });
  });

  it.each([NaN, Infinity, -Infinity])("a weight that is %d", async (value) => {
    const bad = weight([128, 2], 1);
    const bytes = Float32Array.from({ length: 256 }, (_, i) => (i === 77 ? value : 0.5));
    const leaf = { ...bad, bytes: () => new Uint8Array(bytes.buffer) };
    const file = await written({ ...loraOf(q, wide), [`${q}.lora_B.weight`]: leaf });
    expect(await refused(file, hints)).toMatchObject({
      code: "ADAPTER_NOT_FINITE",
      file,
      name: `${q}.lora_B.weight`,
      text: expect.stringContaining("NaN or infinity at index 77, as float"),
    });
  });

  it("a site that is not complete", async () => {
    const whole = loraOf(q, wide);
    const { [`${q}.lora_A.weight`]: leaf = weight([1]) } = whole;
    const file = await written({ [`${q}.lora_A.weight`]: leaf });
    expect(await refused(file, hints)).toMatchObject({
      code: "ADAPTER_LEAF_MISSING",
      file,
      name: `${q}.lora_B.weight`,
    });
  });

  it("weights of the base that were trained along", async () => {
    expect(await refused(savedModules)).toMatchObject({
      code: "OVERRIDE_REFUSED",
      file: savedModules,
      name: "model.layers.0.input_layernorm.weight",
      text: expect.stringContaining("and not weights of the base"),
    });
  });

  it("leaves whose scale nobody says", async () => {
    const file = await written(loraOf(q, wide));
    expect(await refused(file)).toMatchObject({ code: "ADAPTER_ALPHA_UNKNOWN", file, name: q });
  });

  it("a file that is none", async () => {
    const file = path.join(folder, "nowhere.safetensors");
    expect(await refused(file)).toMatchObject({ code: "FILE_NOT_FOUND", file });
  });

  it("DoRA, where the graph has LoRA without magnitudes", async () => {
    expect(await refused(path.join(samples, "peft/dora"))).toMatchObject({ code: "ADAPTER_KIND_OTHER" });
  });

  describe("an adapter of another base", () => {
    let other: string;
    beforeAll(async () => {
      const own = await save(readAdapter(patterns), nextFile(), "safetensors");
      const output = path.join(folder, "based", "model.onnx");
      await compile({ input: graphOf("dynamo"), output, load: [own] });
      other = withHeader(adapterFile(output), nextFile(), ({ __metadata__: metadata = {} }) => {
        const base = JSON.parse(metadata[BASE_KEY] ?? "{}") as { samples: Record<string, number[]> };
        const [first = 0, ...rest] = base.samples["3.o_proj"] ?? [];
        base.samples["3.o_proj"] = [first + 1, ...rest];
        metadata[BASE_KEY] = JSON.stringify(base);
      });
    });

    it("is refused", async () => {
      const said = await refused(other);
      expect(said).toMatchObject({ code: "BASE_MISMATCH", file: other });
      expect(said.text).toMatch(
        /wanted base [0-9a-f]{8} \(6 layers of 128\), found base [0-9a-f]{8} \(6 layers of 128\)/,
      );
      expect(said.text).toContain("other weights: 3.o_proj has ");
    });

    it("is taken where it is forced", async () => {
      const forced = new AdapterStore(session);
      await forced.add("other", other, { force: true });
      const { feeds } = await forced.lease("other");
      const want: HostTensor = recorded("peft/patterns/logits.safetensors", "elinor");
      expect(apart(await logitsOf(session, "elinor", feeds), want, "elinor")).toBeLessThan(TOLERANCE);
    });
  });
});

describe("a graph", () => {
  const expectRefused = async (file: string, from: string): Promise<ReturnType<typeof refusal>> => {
    const own = await openSession(file, { threads: 1 });
    const said = await refusalOf(() => new AdapterStore(own).add("a", from));
    await own.close();
    return said;
  };

  it("compiled for other heads takes no ScalarLM adapter of four", async () => {
    const file = await withInputs("scalarlm", "attn,mlp", { heads: 2, rank: 3 });
    expect(await expectRefused(file, path.join(samples, "austen-llama/adapters.safetensors"))).toMatchObject({
      code: "ADAPTER_KIND_OTHER",
      name: "model.layers.0.self_attn",
      text: expect.stringContaining("wanted scalarlm 2, found scalarlm 4"),
    });
  });

  it("compiled for another norm takes no adapter of the usual one", async () => {
    const file = await withInputs("pattention", "mlp", { tokens: 3, norm: "softmax" });
    const mlp = "model.layers.0.mlp";
    const from = await writeWeights(nextFile(), pattentionOf(mlp, { inFeatures: 128, outFeatures: 128 }));
    expect(await expectRefused(file, from)).toMatchObject({
      code: "ADAPTER_KIND_OTHER",
      name: mlp,
      text: expect.stringContaining("wanted pattention softmax, found pattention l2_norm_gelu"),
    });
  });

  it("compiled for fewer sites names the first that is missing", async () => {
    const file = await withInputs("lora", "q_proj,v_proj", { rank: 1 });
    expect(await expectRefused(file, patterns)).toMatchObject({
      code: "ADAPTER_SITE_MISSING",
      file: patterns,
      name: "model.layers.0.self_attn.k_proj.lora_A.weight",
    });
  });

  it("compiled for fewer layers names the first that is missing", async () => {
    const file = await withInputs("lora", "gate_proj@0-2,up_proj@0-2", { rank: 1 });
    expect(await expectRefused(file, someLayers)).toMatchObject({
      code: "ADAPTER_SITE_MISSING",
      name: "model.layers.3.mlp.gate_proj.lora_A.weight",
    });
  });

  it("that takes no adapters as inputs has nothing added or removed", async () => {
    const baked = path.join(folder, "no-inputs", "model.onnx");
    await compile({ input: graphOf("dynamo"), output: baked, load: [plain] });
    const bank = path.join(folder, "bank", "model.onnx");
    await compile({ input: graphOf("dynamo"), output: bank, load: [plain, patterns], residence: "bank" });
    for (const file of [graphOf("dynamo"), baked, bank]) {
      const own = await openSession(file, { threads: 1 });
      const store = new AdapterStore(own);
      for (const act of [
        (): Promise<unknown> => store.add("a", plain),
        async (): Promise<unknown> => Promise.resolve(store.remove("a")),
        async (): Promise<unknown> => Promise.resolve(new AdapterStore(own, { adapters: { a: plain } })),
      ])
        expect(await refusalOf(act)).toMatchObject({ code: "ADAPTER_INPUTS_NONE", file });
      const lease = await store.lease(null);
      expect([lease.adapter, lease.member, lease.feeds.size]).toEqual([null, -1, 0]);
      await own.close();
    }
  });

  it("of float16 takes numbers that it can hold, and refuses others", async () => {
    const output = path.join(folder, "half", "model.onnx");
    const input = path.join(samples, "families/llama2-dynamo-fp16/model.onnx");
    await compile({
      input,
      output,
      adapter: "scalarlm",
      sites: "mlp",
      settings: { heads: 2, rank: 2 },
      residence: "inputs",
    });
    const own = await openSession(output, { threads: 1 });
    const store = new AdapterStore(own);
    const mlp = "model.layers.1.mlp";
    const good = scalarlmOf(mlp, { width: 32 });
    await store.add("good", await writeWeights(nextFile(), good));
    const { feeds } = await store.lease("good");
    const p = feeds.get(`${mlp}.tokenformer_p`);
    expect([p?.dtype, p?.dims]).toEqual(["float16", [3, 32]]);
    expect(feeds.get("model.layers.0.mlp.tokenformer_p")?.dims).toEqual([0, 32]);
    const large = Float32Array.from({ length: 96 }, (_, i) => (i === 5 ? 70000 : 1));
    const leaf = { ...weight([3, 32]), bytes: () => new Uint8Array(large.buffer) };
    const bad = await writeWeights(nextFile(), { ...good, [`${mlp}.tokenformer_p`]: leaf });
    const said = await refusalOf(() => store.add("bad", bad));
    expect(said).toMatchObject({ code: "ADAPTER_NOT_FINITE", file: bad, name: `${mlp}.tokenformer_p` });
    expect(said.found).toBe("NaN or infinity at index 5, as float16");
    await own.close();
  });
});
