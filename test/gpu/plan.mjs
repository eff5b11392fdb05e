import { join } from "node:path";
import { mkdirSync } from "node:fs";
import { compileAll, writeAdapter, writeDecoder } from "./models.mjs";
import { writePaged } from "./paged.mjs";
import { trainPlan } from "./train.mjs";

const llama = (layers, hidden, heads, kvHeads, intermediate, vocab, dtype) => ({
  ...{ layers, hidden, heads, kvHeads, headDim: 64, intermediate, vocab, dtype },
  tied: false,
});

/** What is measured of the large model: rows, tokens before, new tokens, counted rounds. */
const COLUMNS = [
  { name: "decode, past 128", rows: 1, past: 128, tokens: 1, rounds: 40 },
  { name: "decode, past 1,024", rows: 1, past: 1024, tokens: 1, rounds: 40 },
  { name: "decode, past 4,096", rows: 1, past: 4096, tokens: 1, rounds: 30 },
  { name: "batch 16, past 1,024", rows: 16, past: 1024, tokens: 1, rounds: 20 },
  { name: "prefill 512", rows: 1, past: 0, tokens: 512, rounds: 15 },
  { name: "prefill 2,048", rows: 1, past: 0, tokens: 2048, rounds: 8 },
];

const PAGED = [
  { name: "batch 8, past 1,024", rows: 8, past: 1024, tokens: 1, rounds: 40 },
  { name: "batch 32, past 2,048", rows: 32, past: 2048, tokens: 1, rounds: 20 },
  { name: "prefill 512", rows: 1, past: 0, tokens: 512, rounds: 20 },
];

/** The sizes of a run on a GPU, and of one that only shows that everything works. */
export const sizes = {
  full: {
    numbers: llama(4, 512, 8, 2, 1408, 2048, "float"),
    times: llama(16, 2048, 32, 8, 8192, 32000, "float16"),
    columns: COLUMNS,
    paged: { sizes: { heads: 32, kvHeads: 8, headDim: 64 }, columns: PAGED },
    batches: { numbers: { rows: 2, tokens: 65 }, times: { rows: 4, tokens: 512, rounds: 10 } },
  },
  tiny: {
    numbers: llama(2, 128, 2, 1, 192, 96, "float"),
    times: llama(2, 128, 2, 1, 192, 96, "float16"),
    columns: COLUMNS.map((one) => ({
      ...one,
      past: Math.min(one.past, 24),
      tokens: Math.min(one.tokens, 16),
      rounds: 3,
    })),
    paged: {
      sizes: { heads: 2, kvHeads: 1, headDim: 64 },
      columns: PAGED.map((one) => ({
        ...one,
        rows: Math.min(one.rows, 3),
        past: Math.min(one.past, 40),
        tokens: Math.min(one.tokens, 8),
        rounds: 3,
      })),
    },
    batches: { numbers: { rows: 2, tokens: 17 }, times: { rows: 2, tokens: 16, rounds: 3 } },
  },
};

/** Positions of shared caches: enough for all columns. */
function lengthOf(columns) {
  return Math.ceil(Math.max(64, ...columns.map(({ past, tokens }) => past + tokens)) / 64) * 64;
}

/**
 * Makes all models.
 *
 * @returns what measure.py reads
 */
export async function makePlan(folder, { numbers, times, columns, paged, batches }, provider) {
  const [one, other, third] = ["numbers", "times", "paged"].map((name) => join(folder, name));
  for (const each of [one, other, third]) mkdirSync(each, { recursive: true });
  return {
    provider,
    numbers: await numbersPlan(one, numbers, provider),
    times: await timesPlan(other, times, columns, provider),
    paged: { ...writePaged(third, paged.sizes), columns: paged.columns },
    train: await trainPlan(folder, { numbers, times, batches }, provider),
  };
}

const ADAPTER = { adapter: "scalarlm", sites: "mlp", settings: { rank: 8 } };

/** Graphs in 16 bits beside the base in float32 on the CPU: as exported, lowered, with adapters in every residence. */
async function numbersPlan(folder, llama, provider) {
  const base = writeDecoder(folder, llama, 1);
  const adapters = [];
  for (const [name, adapter] of [
    ["scalarlm", ADAPTER],
    ["scalarlm-2", ADAPTER],
    ["lora", { adapter: "lora", settings: { rank: 8 } }],
  ])
    adapters.push(await writeAdapter(base, folder, name, adapter));
  const [scalarlm, second, lora] = adapters;
  const shared = { for: provider, kv: "shared", maxLength: 64 };
  const plain = { adapters: false };
  const references = await compileAll(base, folder, "reference", [
    { name: "base" },
    { name: "scalarlm", options: { load: [scalarlm], weights: "link" } },
    { name: "scalarlm-2", options: { load: [second], weights: "link" } },
    { name: "lora", options: { load: [lora], weights: "link" } },
  ]);
  const of = (name) => references.find((each) => each.name === name).file;
  const graphs = [];
  // On the CPU onnxruntime has few kernels for bfloat16.
  for (const dtype of provider === "cpu" ? ["fp16"] : ["fp16", "bf16"]) {
    const row = (name, options, against, form = "concat", more = {}) => ({
      name: `${dtype}, ${name}`,
      dtype,
      form,
      against: against.map(of),
      options: { ...options, dtype, weights: "copy" },
      ...more,
    });
    graphs.push(
      row("as exported", plain, ["base"], "concat", { isBaseline: true }),
      row("lowered", { ...plain, for: provider }, ["base"]),
      row("lowered, shared caches", { ...plain, ...shared }, ["base"], "shared"),
      row("lowered, scalarlm baked", { for: provider, load: [scalarlm] }, ["scalarlm"]),
      row("lowered, scalarlm as inputs", { for: provider, load: [scalarlm], residence: "inputs" }, [
        "scalarlm",
      ]),
      row("lowered, bank of two scalarlm", { for: provider, load: [scalarlm, second], residence: "bank" }, [
        "scalarlm",
        "scalarlm-2",
      ]),
      row("lowered, shared caches, lora baked", { ...shared, load: [lora] }, ["lora"], "shared"),
    );
  }
  const f32 = {
    name: "float32, lowered",
    dtype: "fp32",
    form: "concat",
    against: [base],
    options: { ...plain, for: provider, weights: "link" },
  };
  return {
    vocabulary: llama.vocab,
    cache: [llama.kvHeads, llama.headDim],
    length: 64,
    graphs: await compileAll(base, folder, "graph", [f32, ...graphs]),
  };
}

/** Graphs of a model in float16, lowered and with adapters, whose times are compared with those of the export. */
async function timesPlan(folder, llama, columns, provider) {
  const base = writeDecoder(folder, llama, 3);
  const length = lengthOf(columns);
  const shared = { for: provider, kv: "shared", maxLength: length };
  const plain = { adapters: false };
  const scalarlm = { adapter: "scalarlm", sites: "mlp", settings: { rank: 32 } };
  const row = (name, options, form = "concat") => ({ name, form, options: { weights: "link", ...options } });
  const graphs = await compileAll(base, folder, "graph", [
    row("lowered", { ...plain, for: provider }),
    row("lowered, shared caches", { ...plain, ...shared }, "shared"),
    row("shared, scalarlm baked", { ...shared, ...scalarlm }, "shared"),
    row("shared, scalarlm as inputs", { ...shared, ...scalarlm, residence: "inputs" }, "shared"),
    row("shared, bank of four scalarlm", { ...shared, ...scalarlm, residence: "bank", members: 4 }, "shared"),
    row("shared, lora baked", { ...shared, adapter: "lora", settings: { rank: 16 } }, "shared"),
    row("shared, int4", { ...plain, ...shared, quantize: "int4" }, "shared"),
  ]);
  return { base, vocabulary: llama.vocab, cache: [llama.kvHeads, llama.headDim], length, columns, graphs };
}
