import { readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { convertAdapter } from "../../compiler/compile/adapter/convert.ts";
import { grow, shrink } from "../../compiler/compile/adapter/resize.ts";
import { adapterFile, compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { train, type TrainModelOptions, type TrainReport } from "../../compiler/compile/training/train.ts";
import { OutputFiles } from "../../compiler/onnx/output.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { writeAdapter } from "../../compiler/weights/write-adapter.ts";
import { adapterFeeds } from "../../runtime/adapters/feeds.ts";
import { openSession } from "../../runtime/session/session.ts";
import { characterTokenizer } from "../support/character-tokenizer.ts";
import { jsonl } from "../runtime/train/texts.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const tokenizer = characterTokenizer(folder);
const samples = path.resolve(import.meta.dirname, "../../samples/models/families");
const model = path.join(samples, "llama2-dynamo/model.onnx");
const data = [
  jsonl(
    path.join(folder, "texts.jsonl"),
    Array.from({ length: 20 }, (_, i) => ({ text: `Emma is ${i} and handsome, clever, and rich.` })),
  ),
];
const sites = "q_proj,k_proj,v_proj,o_proj@1,mlp";
let count = 0;
const named = (ending: string): string => path.join(folder, `${count++}${ending}`);
const usual = { data, tokenizer, length: 32, batch: 2, steps: 2, evalSplit: 0 } as const;
let [first, trained] = ["", ""];

function run(options: Partial<TrainModelOptions>): Promise<TrainReport> {
  return train(model, { ...usual, out: named(".run"), ...options });
}

beforeAll(async () => {
  const replace = [{ sites, settings: { tokens: 4 } }];
  ({ out: first } = await run({ replace, base: "all", fromScratch: true }));
  trained = path.join(first, "adapter.safetensors");
}, 60_000);

/** The graph that is compiled, its file of adapters, and what was said. */
async function compiled(
  load: string,
  options: Partial<CompileOptions> = {},
): Promise<{ readonly graph: Buffer; readonly adapters: string; readonly codes: readonly string[] }> {
  const output = path.join(folder, `${count++}`, "model.onnx");
  const { diagnostics } = await compile({ input: model, output, load: [load], ...options });
  const codes = diagnostics.map(({ code }) => code);
  return { graph: readFileSync(output), adapters: adapterFile(output), codes };
}

/** Parts that a file says to stand in place of the base's. */
function replacesIn(file: string): readonly boolean[] {
  return [...new Set(readAdapter(file).parts.map(({ replaces }) => replaces === true))];
}

/** The same adapter as other tools write it: without a word on where it stands. */
async function unsaid(file: string): Promise<string> {
  const adapter = readAdapter(file);
  const [parts, output] = [
    adapter.parts.map((part) => ({ ...part, replaces: false })),
    named(".safetensors"),
  ];
  const files = new OutputFiles(output);
  await writeAdapter({ ...adapter, parts, overrides: new Map() }, output, "safetensors", files);
  await files.commit();
  return output;
}

describe("an adapter that was trained in place of projections", () => {
  it("stands there without a word, as it does with one", async () => {
    const [said, unsaidOf] = [await compiled(trained, { replace: [{ sites }] }), await compiled(trained)];
    expect(unsaidOf.graph.equals(said.graph)).toBe(true);
    expect(said.codes).toEqual([]);
    expect(unsaidOf.codes).toEqual(["REPLACE_IMPLIED"]);
    // What options name is theirs to say; the rest is the file's.
    const part = await compiled(trained, { replace: [{ sites: "mlp" }] });
    expect(part.graph.equals(said.graph)).toBe(true);
  }, 60_000);

  it("goes on training there, with its state", async () => {
    const options = { load: [trained], state: first, base: "all" } as const;
    const [said, unsaidOf] = [await run({ ...options, replace: [{ sites }] }), await run(options)];
    expect(unsaidOf.loss).toEqual(said.loss);
    expect(unsaidOf.parameters).toBe(said.parameters);
    expect(unsaidOf.diagnostics.map(({ code }) => code)).toEqual(["REPLACE_IMPLIED"]);
    expect(replacesIn(unsaidOf.files.adapter)).toEqual([true]);
  }, 60_000);

  it("keeps to it when it is grown, shrunk, converted and compiled", async () => {
    const [grown, shrunk, converted] = [1, 2, 3].map(() => named(".safetensors")) as [string, string, string];
    await grow({ input: trained, output: grown, sizes: { tokens: "2x" } });
    await shrink({ input: grown, output: shrunk, sizes: { tokens: 3 } });
    await convertAdapter({ input: shrunk, output: converted });
    const { adapters } = await compiled(converted);
    for (const file of [trained, grown, shrunk, converted, adapters])
      expect(replacesIn(file)).toEqual([true]);
  }, 60_000);

  it("is refused where a graph takes adapters beside its projections", async () => {
    const output = path.join(folder, `${count++}`, "model.onnx");
    const options = { input: model, output, settings: { tokens: 4 } } as const;
    const beside = { adapter: "pattention", sites, residence: "inputs" } as const;
    await compile({ ...options, ...beside });
    const session = await openSession(output, { provider: "cpu" });
    const feeds = (file: string): unknown => adapterFeeds(session, file, { leavesOutOverrides: true });
    expect(() => feeds(trained)).toThrow(
      /ADAPTER_KIND_OTHER[^]*found pattention .*in place of what the base has there/,
    );
    const other = await unsaid(trained);
    expect(() => feeds(other)).not.toThrow();
    await session.close();
    await expect(compiled(trained, { residence: "inputs" })).rejects.toThrow(
      /OPTION_CONFLICT: `residence: inputs` does not go with a `load` that has nothing beside/,
    );
  }, 60_000);

  it("stands beside them where its file does not say, unless the options do", async () => {
    const file = await unsaid(trained);
    const [beside, replaced] = [await compiled(file), await compiled(file, { replace: [{ sites }] })];
    expect(beside.codes).toEqual([]);
    expect(replacesIn(beside.adapters)).toEqual([false]);
    expect(replacesIn(replaced.adapters)).toEqual([true]);
  }, 60_000);
});
