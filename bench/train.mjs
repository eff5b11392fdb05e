import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compile } from "../dist/compiler/index.js";
import { findPython, machine, writeSection } from "./lower.mjs";
import { makeExport } from "./lower-variants.mjs";
import { median } from "./median.mjs";
import { markdownTable } from "./table.mjs";
import { withFolder } from "./workplace.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const options = {
  threads: { type: "string", default: "1,2" },
  rounds: { type: "string", default: "7" },
  hidden: { type: "string", default: "512" },
  layers: { type: "string", default: "8" },
  batch: { type: "string", default: "4" },
  length: { type: "string", default: "256" },
  memories: { type: "string", default: "none,selective,recompute" },
  keep: { type: "string" },
  write: { type: "boolean", default: false },
};

const RATE = 1e-3;
const VOCABULARY = 6144;
const ENTRIES = [
  { kind: "lora", sites: "q_proj,v_proj", settings: { rank: 16, alpha: 32 } },
  { kind: "scalarlm", sites: "mlp", settings: { rank: 32 } },
];

/**
 * A training step of adapters in onnxruntime, beside PyTorch's: LoRA of rank 16 beside q and v and ScalarLM's adapter of
 * rank 32 beside each MLP, float32, AdamW, the same first numbers and rows. All take turns, step by step.
 *
 * `--threads 1,2`; `--rounds N` steps that count; `--hidden`, `--layers`, `--batch`, `--length`; `--memories` of tfc;
 * `--keep DIR` leaves the model there for the next run; `--write` puts the tables into docs/benchmarks.md. Wants a PYTHON
 * with torch, transformers, onnxscript and safetensors.
 */
export async function run(args) {
  const { values } = parseArgs({ args, options });
  const python = findPython();
  if (python === null) {
    console.error("no Python with torch, transformers, onnxscript and onnxruntime: set PYTHON");
    process.exitCode = 1;
    return;
  }
  const text = await inFolder(values.keep, (folder) => measured(folder, python, values));
  console.log(text);
  if (values.write) await writeSection("train", text);
}

async function inFolder(kept, use) {
  if (kept === undefined) return withFolder(use);
  mkdirSync(kept, { recursive: true });
  return use(resolve(kept));
}

async function measured(folder, python, values) {
  const [hidden, layers, batch, length] = [values.hidden, values.layers, values.batch, values.length].map(
    Number,
  );
  console.error("making the export");
  makeExport(python, folder, {
    hidden_size: hidden,
    intermediate_size: Math.round((hidden * 2.6875) / 32) * 32,
    num_hidden_layers: layers,
    num_attention_heads: hidden / 64,
    num_key_value_heads: hidden / 64,
    vocab_size: VOCABULARY,
    max_position_embeddings: 1024,
  });
  const input = join(folder, "model.onnx");
  await compile({ input, output: join(folder, "adapted/model.onnx"), entries: ENTRIES, residence: "inputs" });
  const memories = values.memories.split(",");
  for (const memory of memories) {
    const output = join(folder, memory, "model.onnx");
    await compile({ input, output, entries: ENTRIES, train: { memory } });
  }
  const parts = [];
  for (const threads of values.threads.split(",").map(Number)) {
    const plan = { batch, length, threads, rate: RATE, vocabulary: VOCABULARY };
    const adapters = join(folder, "adapted/model.adapters.safetensors");
    const peer = JSON.stringify({ ...plan, hf: join(folder, "hf"), adapters, scaling: 2 });
    const torch = (mode) => ["python", [here("train-peer.py"), mode, peer]];
    const tfc = (memory) => {
      const graph = join(folder, memory, "model.onnx");
      return ["node", [here("train-worker.mjs"), JSON.stringify({ ...plan, graph })]];
    };
    const workers = [
      ["PyTorch, eager", ...torch("eager")],
      ["PyTorch, checkpointing", ...torch("checkpoint")],
      ...memories.map((memory) => [`tfc, \`--memory ${memory}\``, ...tfc(memory)]),
    ];
    const results = await inTurns(workers, python, Number(values.rounds));
    parts.push(`${threads === 1 ? "One thread" : `${threads} threads`}:`, tableOf(results));
  }
  const words = `${layers} layers, hidden ${hidden}, ${batch} rows of ${length} tokens, vocabulary ${VOCABULARY}, float32. Times are medians of ${values.rounds} steps taken in turns; memory at most over that just before the first step, and of the whole process.`;
  return [`${machine({ python, threads: values.threads })}`, words, ...parts].join("\n\n");
}

/** Lets workers take one step after the other, so that what else the machine does falls on all of them. */
async function inTurns(workers, python, rounds) {
  const started = workers.map(([name, program, args]) => ({
    name,
    ask: asking(program === "python" ? python : process.execPath, args),
    times: [],
    losses: [],
  }));
  for (let step = 1; step <= rounds + 1; step++) {
    for (const worker of started) {
      const { seconds, loss } = await worker.ask(String(step));
      // The first step finds its memory.
      if (step > 1) worker.times.push(seconds);
      worker.losses.push(loss);
    }
  }
  const [first] = started;
  for (const worker of started) {
    worker.memory = await worker.ask("memory");
    worker.ask(null);
    worker.difference = Math.max(...worker.losses.map((loss, i) => Math.abs(loss - first.losses[i])));
  }
  return started;
}

/** A process that answers each line with a line of JSON; null ends it. */
function asking(program, args) {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "ignore"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (line) => {
    if (line === null) return child.stdin.end();
    child.stdin.write(`${line}\n`);
    const { done, value } = await lines.next();
    if (done) throw new Error(`${args[0]} ended`);
    return JSON.parse(value);
  };
}

function tableOf(results) {
  const [eager, checkpoint] = results;
  const ratio = (own, other) => `${(own / other).toFixed(2)} ×`;
  const rows = results.map(({ name, times, memory, difference }) => [
    name,
    `${(median(times) * 1000).toFixed(0)} ms`,
    ratio(median(times), median(eager.times)),
    ratio(median(times), median(checkpoint.times)),
    `${Math.round(memory.step / 1e6)} MB`,
    ratio(memory.step, eager.memory.step),
    ratio(memory.step, checkpoint.memory.step),
    `${Math.round(memory.process / 1e6)} MB`,
    difference.toExponential(0),
  ]);
  const head = [
    "",
    "step",
    "eager",
    "checkpointing",
    "memory",
    "eager",
    "checkpointing",
    "process",
    "loss differs by",
  ];
  return markdownTable(head, rows);
}
