import path from "node:path";
import { expect, it } from "@jest/globals";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { adapterFeeds } from "../../../runtime/adapters/feeds.ts";
import { AdapterStore } from "../../../runtime/adapters/store.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { loraOf, refusal, weight, writePeft, type Weights } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { refused } from "../../support/refused.ts";
import { tfcHere } from "../../support/tfc.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../../samples/models");
/** Two layers, 32 wide, 56 tokens. */
const model = path.join(samples, "families/llama2-dynamo/model.onnx");
const query = (layer: number): Weights =>
  loraOf(`model.layers.${layer}.self_attn.q_proj`, { inFeatures: 32, outFeatures: 32 });
let count = 0;
const next = (ending = ""): string => path.join(folder, `${count++}${ending}`);
const peft = (weights: Weights, config = {}): Promise<string> => writePeft(next(), weights, config);

it("a folder for fewer layers than the model has is of another base", async () => {
  const file = await peft(query(0));
  const message = await refused(folder, "compile", model, "-o", next(".onnx"), "--load", file);
  expect(message).toContain("error ADAPTER_BASE_OTHER");
  expect(message).toContain("weights in 1 layer, and none at model.layers.1.self_attn.q_proj");
});

it("a folder that says which layers it is for is taken, and its base is said to be unknown", async () => {
  const file = await peft(query(0), { layers_to_transform: [0] });
  const { status, stderr } = await tfcHere("compile", model, "-o", next(".onnx"), "--load", file);
  expect(status).toBe(0);
  expect(stderr).toContain("note BASE_UNKNOWN");
  expect(stderr).toContain(file);
});

it("a graph that takes adapters refuses and says the same", async () => {
  const output = next(".onnx");
  const flags = ["--adapter", "lora", "--sites", "q_proj", "--adapters", "inputs"];
  expect((await tfcHere("compile", model, "-o", output, ...flags)).status).toBe(0);
  const session = await openSession(output);
  const [short, whole] = [await peft(query(0)), await peft({ ...query(0), ...query(1) })];
  expect(refusal(() => adapterFeeds(session, short))).toMatchObject({
    code: "ADAPTER_BASE_OTHER",
    file: short,
    name: "model.layers.1.self_attn.q_proj",
  });
  const store = new AdapterStore(session);
  await expect(store.add("a", short)).rejects.toThrow("ADAPTER_BASE_OTHER");
  expect(await store.add("a", whole)).toEqual({ base: "unknown" });
  const marked = next(".safetensors");
  expect((await tfcHere("adapter", "import", whole, "-o", marked, "--base", model)).status).toBe(0);
  expect(await store.add("b", marked)).toEqual({ base: "same" });
  await session.close();
});

it("one weight that PEFT saves under two names is one weight, whose base's copy is skipped", async () => {
  const [embeddings, other] = [weight([60, 32], 3), weight([60, 32], 4)];
  const names = (module: string): Weights => ({
    [`${module}.weight`]: embeddings,
    [`${module}.modules_to_save.weight`]: embeddings,
    [`${module}.original_module.weight`]: other,
  });
  const saved = { modules_to_save: ["embed_tokens", "lm_head"] };
  const file = await peft(
    { ...query(0), ...query(1), ...names("model.embed_tokens"), ...names("lm_head") },
    saved,
  );
  const { overrides } = readAdapter(file);
  expect([...overrides.keys()]).toEqual(["lm_head.weight", "model.embed_tokens.weight"]);
  for (const tensor of overrides.values()) expect(tensor.bytes()).toEqual(embeddings.bytes());
});

it("two weights under the two names of one are refused", async () => {
  const name = "lm_head";
  const file = await peft(
    {
      ...query(0),
      ...query(1),
      [`${name}.weight`]: weight([56, 32], 3),
      [`${name}.modules_to_save.weight`]: weight([56, 32], 4),
    },
    { modules_to_save: [name] },
  );
  const message = await refused(folder, "compile", model, "-o", next(".onnx"), "--load", file);
  expect(message).toContain("error ADAPTER_LEAF_TWICE");
  expect(message).toContain(`base_model.model.${name}.modules_to_save.weight`);
});

it("a vocabulary grows in embeddings and head, or not at all", async () => {
  const all = { ...query(0), ...query(1) };
  for (const weights of [
    { "model.embed_tokens.weight": weight([60, 32]) },
    { "lm_head.weight": weight([60, 32]) },
    { "model.embed_tokens.weight": weight([60, 32]), "lm_head.weight": weight([61, 32]) },
  ]) {
    const file = await peft({ ...all, ...weights });
    const message = await refused(folder, "compile", model, "-o", next(".onnx"), "--load", file);
    expect(message).toContain("error ADAPTER_LEAF_SHAPE");
    expect(message).toContain("wanted [56,32]");
  }
});

it("PEFT's own folder of saved embeddings loads", async () => {
  const file = path.join(import.meta.dirname, "saved-embeddings");
  expect([...readAdapter(file).overrides].map(([name, { shape }]) => [name, shape])).toEqual([
    ["lm_head.weight", [96, 32]],
    ["model.embed_tokens.weight", [96, 32]],
  ]);
  const output = next(".onnx");
  expect((await tfcHere("compile", model, "-o", output, "--load", file)).status).toBe(0);
  const session = await openSession(output);
  expect(session.outputs.find(({ name }) => name === "logits")?.dims.at(-1)).toBe(96);
  await session.close();
});
