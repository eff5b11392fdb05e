import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { findPython, machine, writeSection } from "./lower.mjs";
import { makeExport } from "./lower-variants.mjs";
import { besideOnnxsim } from "./train-onnxsim.mjs";
import { besidePyTorch } from "./train-pytorch.mjs";
import { withFolder } from "./workplace.mjs";

const options = {
  threads: { type: "string", default: "1,2" },
  rounds: { type: "string", default: "7" },
  hidden: { type: "string", default: "512" },
  layers: { type: "string", default: "8" },
  batch: { type: "string", default: "4" },
  length: { type: "string", default: "256" },
  memories: { type: "string", default: "none,selective,recompute" },
  only: { type: "string", default: "pytorch,onnxsim" },
  cpu: { type: "boolean", default: false },
  keep: { type: "string" },
  write: { type: "boolean", default: false },
};

const RATE = 1e-3;
const VOCABULARY = 6144;

/**
 * A training step of adapters in onnxruntime, beside PyTorch's: LoRA of rank 16 beside q and v and ScalarLM's adapter of
 * rank 32 beside each MLP, float32, AdamW, the same first numbers and rows; and beside onnxsim's, in a graph that both
 * train. All take turns, step by step.
 *
 * `--threads 1,2`; `--rounds N` steps that count; `--hidden`, `--layers`, `--batch`, `--length`; `--memories` of tfc;
 * `--only pytorch,onnxsim`; `--cpu` processor time, for a machine that others use; `--keep DIR` leaves the model there for the next run; `--write` puts the tables into
 * docs/benchmarks.md. Wants a PYTHON with torch, transformers, onnxscript and safetensors, and an ONNXSIM_PYTHON with
 * onnxsim where that one has none.
 */
export async function run(args) {
  const { values } = parseArgs({ args, options });
  const python = findPython();
  if (python === null) {
    console.error("no Python with torch, transformers, onnxscript and onnxruntime: set PYTHON");
    process.exitCode = 1;
    return;
  }
  await inFolder(values.keep, async (folder) => {
    for await (const [section, text] of measured(folder, python, values)) {
      console.log(text);
      if (values.write) await writeSection(section, text);
    }
  });
}

async function inFolder(kept, use) {
  if (kept === undefined) return withFolder(use);
  mkdirSync(kept, { recursive: true });
  return use(resolve(kept));
}

/** Yields a section of docs/benchmarks.md and its text, peer by peer. */
async function* measured(folder, python, values) {
  const [hidden, layers, batch, length, rounds] = ["hidden", "layers", "batch", "length", "rounds"].map(
    (name) => Number(values[name]),
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
  const settings = {
    ...{ batch, length, layers, rounds, vocabulary: VOCABULARY, rate: RATE },
    threads: values.threads.split(",").map(Number),
    memories: values.memories.split(","),
    clock: values.cpu ? "processor" : "seconds",
  };
  const only = new Set(values.only.split(","));
  const words = `${layers} layers, hidden ${hidden}, ${batch} rows of ${length} tokens, vocabulary ${VOCABULARY}, float32. Times are medians of ${rounds} steps taken in turns; memory at most over that just before the first step, and of the whole process.`;
  const head = [machine({ python, threads: values.threads, cpu: values.cpu }), words];
  if (only.has("pytorch"))
    yield ["train", [...head, await besidePyTorch(folder, python, settings)].join("\n\n")];
  if (only.has("onnxsim"))
    yield ["train-onnxsim", [...head, await besideOnnxsim(folder, python, settings)].join("\n\n")];
}
