import { readFileSync } from "node:fs";
import { cpus, release, type } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compile } from "../dist/compiler/compile/compile.js";
import { writeSection } from "./lower.mjs";
import { linkOrCopy, measureEngines, pythonLoops, tfc, transformersJs } from "./run-engines.mjs";
import { measureBank, measureDelay } from "./run-requests.mjs";
import { enginesTable, requestsTable, targetsTable } from "./run-tables.mjs";
import { measureModelSwap, measureSwap } from "./swap.mjs";
import { withFolder } from "./workplace.mjs";

const sample = fileURLToPath(new URL("../samples/models/austen-llama", import.meta.url));

/** Tokens of a prompt, and new ones. */
const PROMPT = 128;
const NEW = 64;
/** Positions of shared caches. */
const LENGTH = 256;

const options = {
  rounds: { type: "string", default: "7" },
  threads: { type: "string", default: "1" },
  only: { type: "string", default: "engines,loop,requests" },
  real: { type: "string" },
  write: { type: "boolean", default: false },
};

/**
 * What text costs with tfc: beside transformers.js and Python on the same graph, with the loop in the graph, with several
 * adapters, and for the event loop.
 *
 * `--rounds N`; `--threads N` of onnxruntime; `--only engines,loop,requests` some parts; `--real DIR` a real model
 * instead of the sample (`DIR/optimum/model.onnx`, `DIR/hf`); `--write` puts the tables into docs/benchmarks.md.
 */
export async function run(args) {
  const { values } = parseArgs({ args, options });
  const settings = { rounds: Number(values.rounds), threads: Number(values.threads) };
  const only = new Set(values.only.split(","));
  const text = await withFolder(async (work) => {
    const model = values.real === undefined ? sampleIn(work) : realIn(work, resolve(values.real));
    const parts = [machine(settings)];
    const targets = [];
    const add = (part, own) => {
      parts.push(part);
      targets.push(...own);
    };
    if (only.has("engines")) add(...(await engines(work, model, settings)));
    if (only.has("loop")) add(...(await loops(work, model, settings)));
    if (only.has("requests") && values.real === undefined) add(...(await requests(work, model, settings)));
    return [...parts, targetsTable(targets)].join("\n\n");
  });
  console.log(text);
  if (values.write) await writeSection(values.real === undefined ? "run" : "run-real", text);
}

/** The sample model as torchscript exported it: one file, in the layout that transformers.js knows. */
function sampleIn(work) {
  const file = join(work, "model.onnx");
  linkOrCopy(join(sample, "torchscript/model.onnx"), file);
  return { name: "the sample austen-llama", file, hf: sample };
}

function realIn(work, folder) {
  const file = join(work, "model.onnx");
  linkOrCopy(join(folder, "optimum/model.onnx"), file);
  return { name: "SmolLM2-135M-Instruct", file, hf: join(folder, "hf") };
}

/** tfc, transformers.js and Python on the graph as it was exported. */
async function engines(work, { name, file, hf }, { rounds, threads }) {
  console.error("engines");
  const all = [
    tfc("tfc", file, threads),
    ...transformersJs(work, file, hf, threads),
    ...pythonLoops(file, threads),
  ];
  const results = await measureEngines(all, { prompt: promptFor(hf), count: NEW, rounds });
  const [own, ...others] = results;
  const targets = others.flatMap((other) => [
    [`tokens/s at least those of ${other.name}`, own.whole / other.whole, 1],
    [`memory at most that of ${other.name}`, other.memory / own.memory, 1],
  ]);
  return [enginesTable(`${name}, prompt of ${PROMPT}, ${NEW} new tokens:`, results), targets];
}

/** Lowered graphs, step by step and with the loop in them. */
async function loops(work, { name, file, hf }, { rounds, threads }) {
  console.error("loops");
  const make = async (as, more) => {
    const output = join(work, as, "model.onnx");
    await compile({ input: file, output, adapters: false, for: "cpu", ...more });
    return output;
  };
  const shared = { kv: "shared", maxLength: LENGTH };
  const graphs = [
    ["lowered, step by step", await make("joined", {})],
    ["lowered, loop in the graph", await make("joined-loop", { decodeLoop: true })],
    ["shared caches, step by step", await make("shared", shared)],
    ["shared caches, loop in the graph", await make("shared-loop", { ...shared, decodeLoop: true })],
  ];
  const all = graphs.map(([as, graph]) => tfc(as, graph, threads));
  const results = await measureEngines(all, { prompt: promptFor(hf), count: NEW, rounds });
  const ratio = (loop, step) => results[loop].whole / results[step].whole;
  const targets = [
    ["the loop in the graph, lowered: 1.5 × the tokens/s of steps", ratio(1, 0), 1.5],
    ["the same with shared caches", ratio(3, 2), 1.5],
  ];
  return [enginesTable(`${name}, lowered:`, results), targets];
}

/** Requests with adapters, and what the event loop has of a long prompt. */
async function requests(work, { file }, { rounds, threads }) {
  console.error("requests");
  const bank = await measureBank(work, file, { rounds, threads });
  const swap = await measureSwap({ threads });
  const asked = await measureModelSwap({ threads });
  const delay = await measureDelay(file, threads);
  const rows = [
    ["8 requests with 8 adapters of a bank, one at a time", `${bank.single.toFixed(0)} tokens/s`],
    ["8 requests with 8 adapters of a bank, at once", `${bank.together.toFixed(0)} tokens/s`],
    [
      "a step with another adapter in memory, beyond one with the same",
      `${(swap.other - swap.same).toFixed(3)} ms`,
    ],
    [
      "a request with another adapter, beyond one with the same",
      `${(asked.other - asked.same).toFixed(3)} ms`,
    ],
    [
      "the longest delay of the event loop while a prompt of 2,000 tokens runs, least of 5",
      `${delay.longest.toFixed(1)} ms, of ${delay.took.toFixed(0)} ms; ${delay.idle.toFixed(1)} ms with nothing to do`,
    ],
  ];
  const targets = [
    ["8 requests with a bank: 4 × the tokens/s of one at a time", bank.together / bank.single, 4],
    ["swapping adapters in memory: 1 ms at most", swap.other - swap.same, 1, "ms"],
    ["event loop: 20 ms at most while a prompt of 2,000 tokens runs", delay.longest, 20, "ms"],
  ];
  return [requestsTable(rows), targets];
}

/** The same ids each time, within the model's vocabulary. */
function promptFor(hf) {
  const { vocab_size: vocabulary } = JSON.parse(readFileSync(join(hf, "config.json"), "utf8"));
  return Array.from({ length: PROMPT }, (_, i) => 3 + ((i * 7919 + 104729) % (vocabulary - 3)));
}

function machine({ threads, rounds }) {
  const processors = cpus();
  const { version } = JSON.parse(
    readFileSync(new URL("../node_modules/onnxruntime-node/package.json", import.meta.url), "utf8"),
  );
  const where = `${processors.length} × ${processors[0]?.model ?? "?"}, ${type()} ${release().split(".", 2).join(".")}`;
  return `${where}, Node ${process.versions.node}, onnxruntime-node ${version}; ${threads} ${threads === 1 ? "thread" : "threads"}, medians of ${rounds} rounds in turn.`;
}
