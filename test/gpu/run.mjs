/**
 * `npm run test:gpu`: makes models, and checks and times them on onnxruntime's CUDA provider. Writes out/gpu/results.json
 * and results.md. Without CUDA it says "skipped" with the reason, and succeeds; a number that is wrong is exit status 1.
 *
 * `--tiny` small models, `--provider cpu` another provider: what this file does can be tried without a GPU. `--out DIR`
 * another folder. Python is $PYTHON or python3; it needs numpy and onnxruntime-gpu.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { withFolder } from "../../bench/workplace.mjs";
import { findProvider } from "./find-cuda.mjs";
import { makePlan, sizes } from "./plan.mjs";
import {
  errorsText,
  judgedNumbers,
  numbersTable,
  pagedTable,
  timesTable,
  trainTable,
  trainTimesTable,
} from "./tables.mjs";

const { values } = parseArgs({
  options: {
    provider: { type: "string", default: "cuda" },
    tiny: { type: "boolean", default: false },
    out: { type: "string", default: "out/gpu" },
  },
});
if (!["cuda", "cpu"].includes(values.provider))
  throw new Error(`no provider ${values.provider}: cuda or cpu`);

await withFolder(async (folder) => {
  const found = findProvider(values.provider, folder);
  if ("reason" in found) {
    console.log(`skipped: ${found.reason}`);
    return;
  }
  const size = values.tiny ? sizes.tiny : sizes.full;
  console.error(`making models (${found.card})`);
  const plan = await makePlan(folder, size, values.provider);
  console.error("running them");
  const results = measured(found.python, plan);
  const { text, failed } = report(found, plan, results);
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, "results.md"), `${text}\n`);
  writeFileSync(join(values.out, "results.json"), JSON.stringify({ ...found, failed, results }, null, 1));
  console.log(text);
  if (failed.length > 0) {
    console.error(`wrong, or not run: ${failed.join("; ")}`);
    process.exitCode = 1;
  }
});

function measured(python, plan) {
  const script = fileURLToPath(new URL("measure.py", import.meta.url));
  const { status, stdout, error } = spawnSync(python, [script], {
    input: JSON.stringify(plan),
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = (stdout ?? "").split("\n").filter((line) => line.startsWith("{"));
  if (status !== 0)
    throw new Error(
      `${script} failed after ${lines.length} results: ${error?.message ?? `status ${status}`}`,
    );
  return lines.map((line) => JSON.parse(line));
}

function report({ card, onnxruntime }, plan, results) {
  const part = (name) => results.filter((one) => one.part === name);
  const numbers = judgedNumbers(plan.numbers.graphs, part("numbers"));
  const paged = pagedTable(part("paged"));
  const train = trainTable(plan.train.numbers.graphs, part("train"));
  const text = [
    `${card}, onnxruntime ${onnxruntime}, Node ${process.versions.node}.`,
    "Logits in a few steps, of a random model beside the same in float32 on the CPU:",
    numbersTable(numbers),
    "Paged attention by itself, float16:",
    paged.text,
    "A step of a random model, and how often the export's time that is:",
    timesTable(plan.times.columns, plan.times.graphs, part("times")),
    "Gradients of adapters, beside the same in float32 on the CPU:",
    train.text,
    "Forward and backward of a training step in float16 with LoRA, beside PyTorch where it is installed:",
    trainTimesTable(part("train times")),
    errorsText(results),
  ]
    .filter((each) => each !== "")
    .join("\n\n");
  return { text, failed: [...numbers.failed, ...paged.failed, ...train.failed] };
}
