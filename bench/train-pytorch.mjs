import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "../dist/compiler/index.js";
import { inTurns, turnsTable } from "./train-turns.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const ENTRIES = [
  { kind: "lora", sites: "q_proj,v_proj", settings: { rank: 16, alpha: 32 } },
  { kind: "scalarlm", sites: "mlp", settings: { rank: 32 } },
];

/**
 * A training step beside PyTorch's, with and without checkpointing.
 *
 * @param folder of the export: `model.onnx`, and its weights in `hf`
 * @returns Markdown, a table for each number of threads
 */
export async function besidePyTorch(folder, python, settings) {
  const { batch, length, vocabulary, rate, threads, memories } = settings;
  const input = join(folder, "model.onnx");
  const adapted = join(folder, "adapted", "model.onnx");
  await compile({ input, output: adapted, entries: ENTRIES, residence: "inputs" });
  const graph = (memory) => join(folder, memory, "model.onnx");
  for (const memory of memories)
    await compile({ input, output: graph(memory), entries: ENTRIES, train: { memory } });
  const parts = [];
  for (const count of threads) {
    const plan = { batch, length, vocabulary, rate, threads: count, decay: 0.01, clip: 1 };
    const adapters = join(folder, "adapted", "model.adapters.safetensors");
    const peer = JSON.stringify({ ...plan, hf: join(folder, "hf"), adapters, scaling: 2 });
    const torch = (name, mode) => ({ name, program: python, args: [here("train-pytorch.py"), mode, peer] });
    const tfc = (memory) => ({
      name: `tfc, \`--memory ${memory}\``,
      program: process.execPath,
      args: [here("train-worker.mjs"), JSON.stringify({ ...plan, graph: graph(memory) })],
    });
    const workers = [
      torch("PyTorch, eager", "eager"),
      torch("PyTorch, checkpointing", "checkpoint"),
      ...memories.map(tfc),
    ];
    const results = await inTurns(workers, settings);
    parts.push(
      `${count === 1 ? "One thread" : `${count} threads`}:`,
      turnsTable(results, ["eager", "checkpointing"]),
    );
  }
  return parts.join("\n\n");
}
