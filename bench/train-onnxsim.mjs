import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "../dist/compiler/index.js";
import { run } from "./lower-variants.mjs";
import { inTurns, turnsTable } from "./train-turns.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const LORA = { rank: 16, alpha: 32 };

/**
 * A training step beside onnxsim's: LoRA beside q and v in one and the same file, which onnxsim's gradients cover, that is
 * float32 in plain ops of opset 17 at known sizes without padding. Adam without decay and clipping, which is all that its
 * loop has.
 *
 * @param folder of the export; `model.onnx` is in it
 * @returns Markdown; says so where onnxsim is not installed
 */
export async function besideOnnxsim(folder, python, settings) {
  const { batch, length, layers, vocabulary, rate, threads, memories } = settings;
  const found = findOnnxsim(python);
  if (found === null)
    return "onnxsim: not installed (`pip install onnxsim==0.8.*` for the Python that `ONNXSIM_PYTHON` names).";
  const input = join(folder, "plain", "model.onnx");
  run(found.python, [
    here("train-plain.py"),
    join(folder, "model.onnx"),
    input,
    String(batch),
    String(length),
  ]);
  const entries = [{ kind: "lora", sites: "q_proj,v_proj", settings: LORA }];
  const graph = (memory) => join(folder, "plain", memory, "model.onnx");
  for (const memory of memories) await compile({ input, output: graph(memory), entries, train: { memory } });
  const adapters = join(folder, "plain", memories[0], "model.adapters.safetensors");
  const parts = [];
  for (const count of threads) {
    const plan = { batch, length, layers, vocabulary, rate, threads: count, decay: 0, clip: 0 };
    const peer = JSON.stringify({ ...plan, ...LORA, graph: input, adapters });
    const onnxsim = (name, optimizations) => ({
      name,
      program: found.python,
      args: [here("train-onnxsim.py"), optimizations, peer],
    });
    const tfc = (memory) => ({
      name: `tfc, \`--memory ${memory}\``,
      program: process.execPath,
      args: [here("train-worker.mjs"), JSON.stringify({ ...plan, graph: graph(memory) })],
    });
    const workers = [
      onnxsim("onnxsim's loop", "none"),
      onnxsim("the same, optimized by onnxruntime", "all"),
      ...memories.map(tfc),
    ];
    const results = await inTurns(workers, settings);
    parts.push(
      `${count === 1 ? "One thread" : `${count} threads`}:`,
      turnsTable(results, ["loop", "optimized"]),
    );
  }
  const words = `Beside onnxsim ${found.version} with onnxruntime ${found.runtime}, LoRA of rank ${LORA.rank} beside q and v alone, in a graph that both train:`;
  return [words, ...parts].join("\n\n");
}

/** A Python that has onnxsim: $ONNXSIM_PYTHON, or the one that has the rest; null where neither has. */
function findOnnxsim(python) {
  const script = `
import json, importlib.metadata as m, onnxruntime, onnxsim
onnxsim.compile_training_loop
print(json.dumps([m.version("onnxsim"), onnxruntime.__version__]))`;
  for (const name of [process.env.ONNXSIM_PYTHON, python]) {
    if (name === undefined || name === "") continue;
    const { status, stdout } = spawnSync(name, ["-c", script], { encoding: "utf8" });
    if (status !== 0) continue;
    const [version, runtime] = JSON.parse(stdout);
    return { python: name, version, runtime };
  }
  return null;
}
