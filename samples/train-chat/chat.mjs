/**
 * A fine-tune of a real chat model, minutes on two cores for each base: an assistant becomes the keeper of a mountain hut.
 *
 *     npm run demo:chat -- MODEL [--bases float32,int4] [--epochs 5] [--out out/demo-chat]
 *
 * MODEL is a folder with a graph, its tokenizer and its chat template, such as `optimum-cli export onnx` writes it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { heading, say, tfc } from "../demo/terminal.mjs";

const root = path.resolve(import.meta.dirname, "../..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bases: { type: "string", default: "float32,int4" },
    epochs: { type: "string", default: "5" },
    out: { type: "string", default: "out/demo-chat" },
  },
});
const [given] = positionals;
if (given === undefined) end("Give the folder of a chat model: `npm run demo:chat -- smollm2`.");
const model = path.resolve(given);
process.chdir(root);
if (!existsSync("dist/runtime/index.js")) end("The demo runs what `npm run build` makes; build first.");

/** How each base is stored. */
const stored = new Map([
  ["float32", []],
  ["int4", ["--quantize", "int4"]],
]);
const bases = values.bases.split(",");
for (const base of bases)
  if (!stored.has(base)) end(`--bases takes ${[...stored.keys()].join(" and ")}, not ${base}.`);

const data = "samples/train-chat/conversations.jsonl";
const LORA = ["--adapter", "lora", "--rank", "8"];
const SITES = ["--sites", "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"];

/** None of these is in the conversations: what is asked for is there in other words, or not at all. */
const questions = readFileSync("samples/train-chat/questions.txt", "utf8").trim().split("\n");
const known = new Set(
  readFileSync(data, "utf8")
    .trim()
    .split("\n")
    .flatMap((line) => JSON.parse(line).messages.map(({ content }) => content.toLowerCase())),
);
for (const question of questions)
  if (known.has(question.toLowerCase())) end(`"${question}" is in ${data}: a question must be new.`);

say(`${data}: Marta, who keeps a hut in the mountains, answers. She greets, knows
hours and prices, and ends each answer in the same way. The questions below are not in it.`);

let isChanged = true;
for (const base of bases) {
  const out = path.join(values.out, base);
  const run = path.join(out, "run");
  const adapter = path.join(run, "adapter.safetensors");
  const compiled = path.join(out, "model.onnx");
  const how = stored.get(base);
  // What an earlier demo left; a run never writes over another.
  rmSync(run, { recursive: true, force: true });

  heading(`${base}: before`);
  tfc("compile", graphOf(model), "-o", compiled, "--adapters", "inputs", ...LORA, ...SITES, ...how);
  const before = ask(compiled);

  heading(`${base}: train`);
  tfc(
    ...["train", model, "--data", data, "--out", run, ...LORA, ...SITES, ...how],
    ...["--epochs", values.epochs, "--batch", "5", "--lr", "0.002", "--eval-split", "0"],
  );

  heading(`${base}: after`);
  const after = ask(compiled, "--load", adapter);
  tfc("adapter", "export", adapter, "-o", path.join(out, "peft"), "--format", "peft");
  isChanged &&= before.every((answer, i) => answer !== after[i]);
}

heading("Next");
say(`npx tfc generate ${path.join(values.out, bases[0], "model.onnx")} --tokenizer ${given} \\
    --load ${path.join(values.out, bases[0], "run/adapter.safetensors")} --chat

samples/train-chat/check_peft.py holds what PEFT computes with the exported adapter against the graph.`);
process.exitCode = isChanged ? 0 : 1;

/** Answers to the questions by `tfc generate --chat`, each in a conversation of its own; shown, too. */
function ask(file, ...more) {
  const args = ["generate", file, "--tokenizer", model, ...more, "--chat", "--max-new-tokens", "40"];
  console.log(`\n$ npx tfc ${args.join(" ")}\n`);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/tfc.js", ...args, "--json"], {
    input: questions.join("\n/reset\n"),
    encoding: "utf8",
  });
  if (status !== 0) end(stderr);
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  for (const [i, { text, stop }] of answers.entries()) {
    const more = stop === "length" ? " ..." : "";
    console.log(`> ${questions[i]}\n${text.trim()}${more}`);
  }
  return answers.map(({ text }) => text);
}

/** The graph that `compile` takes, of a folder that every other command takes. */
function graphOf(where) {
  const file = path.join(where, "model.onnx");
  return existsSync(file) ? file : where;
}

function end(why) {
  console.error(why);
  process.exit(1);
}
