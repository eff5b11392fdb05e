import { spawnSync } from "node:child_process";
import { cpus, release, type } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import ort from "onnxruntime-node";
import { measureFunctions } from "./adapters-functions.mjs";
import { processorClock, wallClock } from "./adapters-measure.mjs";
import { measureModel } from "./adapters-models.mjs";
import { functionSizes, functionTimes, modelTimes, targets } from "./adapters-tables.mjs";
import { models } from "./llama.mjs";

const options = {
  only: { type: "string", default: "functions,block,model" },
  hidden: { type: "string", default: "2048,4096" },
  tokens: { type: "string", default: "1,128,512" },
  rows: { type: "string", default: "1" },
  runs: { type: "string", default: "5" },
  layers: { type: "string", default: "16" },
  variants: { type: "string" },
  threads: { type: "string" },
  cpu: { type: "boolean", default: false },
};

/** A vocabulary for models whose head and embedding are not what is measured. */
const [BLOCK_VOCABULARY, MODEL_VOCABULARY] = [1024, 32000];

/**
 * What adapters cost in onnxruntime: the functions alone, one block, a whole model of a billion parameters.
 *
 * `--only` some of these; `--hidden`, `--tokens` sizes; `--rows N` of block and model; `--runs N` counted runs (four
 * times as many of one token, a third of more than 128); `--layers N` of the whole model; `--variants A,B` some of the compiled models;
 * `--threads N` of onnxruntime; `--cpu` one thread, and processor time in place of wall time.
 */
export async function run(args) {
  const { values } = parseArgs({ args, options });
  if (globalThis.gc === undefined) return runPrepared(args);
  const settings = settingsOf(values);
  const parts = new Set(values.only.split(","));
  console.log(machine(settings));
  const functions = [];
  for (const hidden of parts.has("functions") ? numbers(values.hidden) : []) {
    console.error(`functions alone, hidden ${hidden}`);
    functions.push(await measureFunctions(hidden, settings));
  }
  if (functions.length > 0) {
    console.log(`\n${functionTimes(functions)}\n\n${functionSizes(functions)}`);
  }
  for (const hidden of parts.has("block") ? numbers(values.hidden) : []) {
    console.error(`one block, hidden ${hidden}`);
    const llama = { ...decoderOf(hidden), layers: 1, vocab: BLOCK_VOCABULARY };
    console.log(`\none layer, hidden ${hidden}\n\n${modelTimes(await measureModel(llama, settings))}`);
  }
  if (!parts.has("model")) return print(functions, undefined);
  console.error("whole model");
  const llama = { ...decoderOf(2048), layers: Number(values.layers), vocab: MODEL_VOCABULARY };
  const model = await measureModel(llama, settings);
  console.log(`\n${llama.layers} layers, hidden 2048\n\n${modelTimes(model)}`);
  print(functions, model);
}

/** How glibc is told to ask for pages of 2 MB. */
const LARGE_PAGES = "glibc.malloc.hugetlb=1";

/**
 * Runs the benchmark in a process with what has to be said when one starts: that garbage can be collected between two
 * measurements, and large pages. With pages of 4 KB where a session's weights lie in memory is a matter of luck, which
 * made two sessions of one file differ by a tenth; with large ones by less than a hundredth. Elsewhere than on Linux
 * the setting has no effect.
 */
function runPrepared(args) {
  const tunables = [process.env.GLIBC_TUNABLES ?? "", LARGE_PAGES].filter((text) => text !== "").join(":");
  const script = fileURLToPath(new URL("run.mjs", import.meta.url));
  const { status } = spawnSync(process.execPath, ["--expose-gc", script, "adapters", ...args], {
    stdio: "inherit",
    env: { ...process.env, GLIBC_TUNABLES: tunables },
  });
  process.exitCode = status ?? 1;
}

function print(functions, model) {
  console.log(`\n${targets(functions.length > 0 ? functions : undefined, model)}`);
}

function settingsOf({ rows, tokens, runs, variants, threads, cpu }) {
  const count = Number(runs);
  return {
    rows: Number(rows),
    tokens: numbers(tokens),
    rounds: (steps) => (steps === 1 ? 4 * count : steps <= 128 ? count : Math.max(2, Math.floor(count / 3))),
    clock: cpu ? processorClock : wallClock,
    ...(variants === undefined ? {} : { only: variants.split(",") }),
    ...(cpu ? { threads: 1 } : threads === undefined ? {} : { threads: Number(threads) }),
  };
}

function numbers(text) {
  return text.split(",").map(Number);
}

/** The Llama of this hidden size, in float32 and with its head tied. */
function decoderOf(hidden) {
  const known = Object.values(models).find((llama) => llama.hidden === hidden);
  if (known === undefined) throw new Error(`no Llama of hidden size ${hidden}`);
  return { ...known, dtype: "float", tied: true };
}

function machine({ threads }) {
  const processors = cpus();
  const versions = `Node ${process.versions.node}, onnxruntime ${ort.env.versions.node ?? "?"}`;
  const used = threads === undefined ? "" : `, ${threads} of its threads`;
  return `${processors.length} × ${processors[0]?.model ?? "?"}, ${type()} ${release()}, ${versions}${used}`;
}
