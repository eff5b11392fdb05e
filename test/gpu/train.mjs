import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "../../dist/compiler/index.js";
import { adapterFile, compile } from "../../dist/compiler/compile/compile.js";
import { fillSafetensors } from "../../bench/adapters-weights.mjs";
import { writeDecoder } from "./models.mjs";

const LORA = { kind: "lora", sites: "q_proj,v_proj", settings: { rank: 8 } };
const SCALARLM = { kind: "scalarlm", sites: "mlp", settings: { rank: 8 } };

/** How large the numbers of adapters are: gradients of zeros would be zeros. */
const DEVIATION = 0.02;

/**
 * Makes graphs that give gradients: small ones, whose numbers are compared with those in float32 on the CPU, and a large
 * one in float16, whose time is compared with PyTorch's.
 *
 * @returns what training.py reads
 */
export async function trainPlan(folder, { numbers, times, batches }, provider) {
  const [small, large] = ["small", "large"].map((name) => join(folder, "train", name));
  for (const each of [small, large]) mkdirSync(each, { recursive: true });
  const base = writeDecoder(small, numbers, 5);
  const graphs = [];
  // On the CPU onnxruntime has few kernels for bfloat16.
  const dtypes = provider === "cpu" ? ["fp32", "fp16"] : ["fp32", "fp16", "bf16"];
  for (const memory of ["none", "selective", "recompute"])
    for (const dtype of memory === "none" ? dtypes : [provider === "cpu" ? "fp32" : "bf16"]) {
      const options = dtype === "fp32" ? {} : { dtype, weights: "copy" };
      const graph = await written(
        base,
        join(small, `${memory}-${dtype}.onnx`),
        [LORA, SCALARLM],
        memory,
        options,
      );
      graphs.push({ ...graph, name: `${dtype}, \`--memory ${memory}\``, dtype });
    }
  const model = writeDecoder(large, times, 7);
  const timed = [];
  for (const memory of ["none", "selective", "recompute"]) {
    const graph = await written(model, join(large, `${memory}.onnx`), [LORA], memory, {});
    timed.push({ ...graph, name: `\`--memory ${memory}\`` });
  }
  const [reference] = graphs;
  // The same numbers for all: each file is filled with others.
  for (const graph of graphs) graph.weights = reference.weights;
  return {
    numbers: { vocabulary: numbers.vocab, ...batches.numbers, reference, graphs },
    times: { llama: times, rank: LORA.settings.rank, ...batches.times, graphs: timed },
  };
}

/** A graph, the file of its parameters, and which ops tfc says that onnxruntime keeps on the CPU, beside CUDA. */
async function written(input, file, entries, memory, options) {
  await compile({
    input,
    output: file,
    weights: "link",
    entries,
    train: { emit: "grads", memory },
    ...options,
  });
  fillSafetensors(adapterFile(file), DEVIATION);
  const { placement } = inspect(file, { for: "cuda" });
  const host = placement.nodes.filter(({ provider, reason }) => provider === "cpu" && reason === "shapes");
  return { file, weights: adapterFile(file), host: host.map(({ op }) => op) };
}
