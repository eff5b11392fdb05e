/**
 * A fine-tune in less than a minute on two idle cores: a model that has read Jane Austen learns to keep the log of a ship.
 *
 *     npm run demo:train [-- --steps N]
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { heading, say, tfc } from "../demo/terminal.mjs";

const root = path.resolve(import.meta.dirname, "../..");
process.chdir(root);

const { steps, out } = parseArgs({
  options: { steps: { type: "string", default: "90" }, out: { type: "string", default: "out/demo-train" } },
}).values;

const folder = "samples/models/austen-llama";
const base = `${folder}/dynamo/model.onnx`;
const run = path.join(out, "run");
const adapter = path.join(run, "adapter.safetensors");
const compiled = path.join(out, "model.onnx");
const prompts = ["It is a truth universally acknowledged, that", "Emma was at the window when"];
const LORA = ["--adapter", "lora", "--rank", "16"];
const SITES = ["--sites", "projections"];

if (!existsSync("dist/runtime/index.js")) {
  console.error("The demo runs what `npm run build` makes; build first, then `npm run demo:train`.");
  process.exit(1);
}
// What an earlier demo left; a run never writes over another.
rmSync(run, { recursive: true, force: true });

say(`The model is a small Llama (six layers, 1.4 million parameters) that has read the novels of
Jane Austen and nothing else. samples/train/log.jsonl is the log of a ship: 85 days, 20 kB.`);

heading("1. Before");
const before = prompts.map((prompt) => write(base, prompt));

heading("2. Train");
say(`LoRA beside all seven projections of each layer: the gradient graph is made from the exported
graph, and onnxruntime runs it. ${path.join(run, "index.html")} follows along.`);
tfc(
  ...["train", base, "--data", "samples/train/log.jsonl", "--out", run, ...LORA, ...SITES],
  ...["--length", "128", "--batch", "10", "--lr", "0.006", "--eval-split", "0.1", "--steps", steps],
);

heading("3. After");
say(`The adapter goes into a graph that takes adapters as inputs, and text is written as before.`);
tfc("compile", base, "-o", compiled, "--adapters", "inputs", ...LORA, ...SITES);
const after = prompts.map((prompt) => write(compiled, prompt, "--load", adapter));

const evaluations = readFileSync(path.join(run, "metrics.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter((metrics) => "eval_loss" in metrics);
const [first, best, last] = [evaluations[0], lowest(evaluations), evaluations.at(-1)].map(lossText);

heading("Next");
say(`On pages of the log that were held back the loss was ${first}, at best ${best}, and at last ${last}.

${path.join(run, "index.html")}   the run: plots and numbers
${path.join(run, "loss.svg")}     the plot of the loss
${adapter}
                               the adapter, for --load of every command`);
process.exitCode = before.some((text, i) => text === after[i]) ? 1 : 0;

/** The continuation of a prompt by `tfc generate`, which is shown, too. */
function write(model, prompt, ...more) {
  const args = ["generate", model, "--tokenizer", folder, ...more, "--max-new-tokens", "60"];
  console.log(`\n$ npx tfc ${args.join(" ")} --prompt "${prompt}"\n`);
  const { status, stdout } = spawnSync(process.execPath, ["bin/tfc.js", ...args, "--prompt", prompt], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (status !== 0) process.exit(status ?? 1);
  console.log(`  ${prompt}${stdout.trimEnd().replace(/\n(?=.)/g, "\n  ")} ...`);
  return stdout;
}

function lossText({ step, eval_loss: loss }) {
  return `${loss.toFixed(2)} ${step === 0 ? "before" : `behind step ${step}`}`;
}

function lowest(evaluations) {
  return evaluations.reduce((least, one) => (one.eval_loss < least.eval_loss ? one : least));
}
