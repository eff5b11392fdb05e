import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { loadModel } from "../../../runtime/model/load.ts";

const samples = path.resolve(import.meta.dirname, "../../../samples/models");
const oracleFile = path.resolve(import.meta.dirname, "../../models/generate-oracle.json");

/** What transformers' generate answers, see samples/export/generate_oracle.py. */
interface Answered {
  readonly prompt: readonly number[];
  readonly ids: readonly number[];
  readonly margin: number;
  readonly penalty?: number;
}

const { models } = JSON.parse(readFileSync(oracleFile, "utf8")) as {
  readonly models: Readonly<Record<string, readonly Answered[]>>;
};

/** Of other numbers than the model that transformers ran, or of none that onnxruntime runs on a CPU. */
const other = /quantized|int4|bf16|paged/;
/** Margins below which another precision may answer otherwise. */
const CLEAR = { float: 1e-3, half: 1e-2 };

const graphs = ["families", "new-families"].flatMap((folder) =>
  readdirSync(path.join(samples, folder))
    .filter((name) => !other.test(name))
    .map((name) => path.join(folder, name)),
);

/** The model that a graph is an export of: genai's have wider heads where there are both. */
function answersOf(graph: string): readonly Answered[] {
  const name = path.basename(graph);
  const family = Object.keys(models)
    .filter((key) => !key.includes("+") && !key.endsWith("-wide") && name.startsWith(`${key}-`))
    .sort((a, b) => b.length - a.length)[0];
  const wide = /genai|mobius-cpu/.test(name) ? models[`${family ?? ""}-wide`] : undefined;
  const rows = wide ?? models[family ?? ""];
  if (rows === undefined) throw new Error(`no answers of ${name}`);
  const least = name.includes("fp16") ? CLEAR.half : CLEAR.float;
  return rows.filter(({ margin }) => margin > least);
}

describe.each(graphs)("%s", (graph) => {
  it("answers as transformers does, prompts one after another and at once", async () => {
    const rows = answersOf(graph);
    expect(rows.length).toBeGreaterThan(0);
    const model = await loadModel(path.join(samples, graph), { threads: 1 });
    const requests = rows.map(({ prompt, ids, penalty }) => ({
      prompt,
      maxNewTokens: ids.length,
      ...(penalty === undefined ? {} : { repetitionPenalty: penalty }),
    }));
    const wanted = rows.map(({ ids }) => ids);
    const alone: (readonly number[])[] = [];
    for (const request of requests) alone.push((await model.generate(request).result()).ids);
    const together = await model.generateAll(requests);
    await model.close();
    expect(alone).toEqual(wanted);
    expect(together.map(({ ids }) => ids)).toEqual(wanted);
  });
});
