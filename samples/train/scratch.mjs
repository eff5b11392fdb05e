/**
 * A Tokenformer from nothing, which grows while it trains, beside Tokenformers of each size that are trained from nothing.
 *
 *     npm run demo:scratch [-- --epochs N] [--data FILE] [--tokens N]
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { heading, say, tfc } from "../demo/terminal.mjs";
import { growthPlot } from "./growth-plot.mjs";

const root = path.resolve(import.meta.dirname, "../..");
process.chdir(root);

const options = parseArgs({
  options: {
    epochs: { type: "string", default: "3" },
    data: { type: "string", default: "samples/train/pride.txt" },
    tokens: { type: "string", default: "32" },
    out: { type: "string", default: "out/demo-scratch" },
  },
}).values;
const { out, data } = options;
const [epochs, tokens] = [Number(options.epochs), Number(options.tokens)];

const folder = "samples/models/austen-llama";
const base = `${folder}/dynamo/model.onnx`;
const plot = path.join(out, "growth.svg");
const at = (...parts) => path.join(out, ...parts);

if (!existsSync("dist/runtime/index.js")) {
  console.error("The demo runs what `npm run build` makes; build first, then `npm run demo:scratch`.");
  process.exit(1);
}
// What an earlier demo left; a run never writes over another.
for (const run of ["1x", "2x", "4x", "2x-fresh", "4x-fresh"])
  rmSync(at(run), { recursive: true, force: true });

say(`The paper's Tokenformer has no weight matrices in its layers: queries, keys, values, the output
of attention and the MLP are attention to parameter tokens. The small Llama of this repository
gives its sizes, and none of its numbers: every weight begins at random. It reads ${data}.`);

heading("1. Train, grow, train on");
say(
  `From ${tokens} tokens to ${2 * tokens} and ${4 * tokens}, ${epochs} epochs each. A new token's key is zero, so that growing changes nothing.`,
);
const fresh = ["--replace", "--train-base", "all", "--from-scratch"];
train("1x", epochs, ...fresh, "--tokens", String(tokens));
grow("1x", "2x");
grow("2x", "4x");

heading("2. Each size from nothing");
say(`On the same text, as often as the grown one has read it by then.`);
train("2x-fresh", 2 * epochs, ...fresh, "--tokens", String(2 * tokens));
train("4x-fresh", 3 * epochs, ...fresh, "--tokens", String(4 * tokens));

heading("3. What it came to");
const [small, middle, large] = ["1x", "2x", "4x"].map(read);
goOn(middle, small);
goOn(large, middle);
const others = ["2x-fresh", "4x-fresh"].map(read);
for (const [to, before, after] of [
  ["2x", small, middle],
  ["4x", middle, large],
]) {
  const [was, is] = [before.points.at(-1).loss, after.points[0].loss];
  console.log(`growing to ${to}: loss ${was.toFixed(6)} before, ${is.toFixed(6)} after`);
  // What sums in another order may make.
  if (Math.abs(was - is) > 1e-5) process.exitCode = 1;
}
table([
  ["", "parameters", "tokens read", "TFLOP", "loss on held-out text"],
  row("1x from nothing", small),
  row("grown to 2x", middle),
  row("2x from nothing", others[0]),
  row("grown to 4x", large),
  row("4x from nothing", others[1]),
]);
say(`TFLOP: what training has cost by then, about 6 operations for each parameter and token.`);

mkdirSync(out, { recursive: true });
writeFileSync(
  plot,
  growthPlot({
    title: "loss on text that was held back, over tokens read",
    series: [
      {
        name: "grown 1x, 2x, 4x",
        look: "grown",
        points: [small, middle, large].flatMap(({ points }) => points),
      },
      { name: "2x from nothing", look: "second", points: others[0].points },
      { name: "4x from nothing", look: "fourth", points: others[1].points },
    ],
    marks: [
      { tokens: small.seen, text: "grows to 2x" },
      { tokens: middle.seen, text: "grows to 4x" },
    ],
  }),
);

heading("Next");
tfc("compile", base, "--replace", "--load", at("4x", "adapter.safetensors"), "-o", at("model.onnx"));
tfc("generate", at("model.onnx"), "--tokenizer", folder, "--prompt", "Mr. Bennet", "--max-new-tokens", "30");
say(`${plot}   the plot`);

/** One run of `tfc train`, all of whose settings but these are alike. */
function train(name, times, ...more) {
  const usual = ["--length", "128", "--batch", "4", "--lr", "0.003", "--eval-split", "0.1"];
  tfc("train", base, "--data", data, "--out", at(name), ...more, ...usual, "--epochs", String(times));
}

function grow(from, to) {
  const [adapter, larger] = [at(from, "adapter.safetensors"), at(`${to}.safetensors`)];
  tfc("grow", adapter, "--tokens", "2x", "-o", larger);
  train(to, epochs, "--replace", "--load", larger, "--state", at(from), "--train-base", "all");
}

/** A run's evaluations over the tokens that it has read, and what its steps have cost. */
function read(name) {
  const parameters = parametersIn(at(name, "adapter.safetensors"));
  const lines = readFileSync(at(name, "metrics.jsonl"), "utf8").trim().split("\n");
  const points = [];
  let seen = 0;
  for (const { tokens: count, eval_loss: loss } of lines.map((line) => JSON.parse(line))) {
    if (loss === undefined) seen += count;
    else points.push({ tokens: seen, loss });
  }
  return { points, seen, parameters, operations: 6 * parameters * seen };
}

/** Counts a run from where the one before it ended. */
function goOn(run, before) {
  for (const point of run.points) point.tokens += before.seen;
  run.seen += before.seen;
  run.operations += before.operations;
}

/** How many numbers a safetensors file holds: its header says the shapes. */
function parametersIn(file) {
  const bytes = readFileSync(file);
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + Number(bytes.readBigUInt64LE())));
  const shapes = Object.values(header).flatMap(({ shape }) => (shape === undefined ? [] : [shape]));
  return shapes.reduce((sum, shape) => sum + shape.reduce((n, dim) => n * dim, 1), 0);
}

function row(name, { parameters, seen, operations, points }) {
  const count = (n) => String(n).replace(/\B(?=(?:\d{3})+$)/g, ",");
  return [
    name,
    count(parameters),
    count(seen),
    (operations / 1e12).toFixed(2),
    points.at(-1).loss.toFixed(3),
  ];
}

function table(lines) {
  console.log();
  for (const [name, ...numbers] of lines)
    console.log(`${name.padEnd(16)}${numbers.map((text, i) => text.padStart([12, 13, 8, 23][i])).join("")}`);
}
