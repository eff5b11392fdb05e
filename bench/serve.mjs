/**
 * `npm run bench -- serve [--rounds N] [--tokens N]`: `tfc serve` on the sample model with eight adapters, in a bank and
 * as inputs: tokens per second by how many clients there are, and memory under crowds of 200 of all kinds.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compile } from "../dist/compiler/compile/compile.js";
import { median } from "./median.mjs";
import { crowd } from "./serve-crowd.mjs";
import { markdownTable } from "./table.mjs";
import { withFolder } from "./workplace.mjs";

const inRoot = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const SITES = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";
const kinds = ["plain", "patterns", "some-layers"];
const members = Array.from({ length: 8 }, (_, i) => inRoot(`samples/models/peft/${kinds[i % kinds.length]}`));
/** Clients that ask at once. */
const COUNTS = [1, 8, 32];
const CROWD = 200;

export async function run(args) {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: "string", default: "10" }, tokens: { type: "string", default: "32" } },
  });
  const [rounds, tokens] = [Number(values.rounds), Number(values.tokens)];
  const rows = await withFolder(async (folder) => [
    await measured("bank", await compiled(folder, "bank"), {}, { rounds, tokens }),
    await measured("inputs", await compiled(folder, "inputs"), named(), { rounds, tokens }),
  ]);
  const head = [
    "adapters",
    ...COUNTS.map((count) => `${count === 1 ? "1 client" : `${count} clients`}, tokens/s`),
    `${CROWD} clients of all kinds`,
    "heap, first and last",
    "RSS, first and last",
  ];
  console.log(markdownTable(head, rows));
}

function named() {
  return { capacity: members.length, adapters: Object.fromEntries(members.map((path, i) => [`${i}`, path])) };
}

async function compiled(folder, residence) {
  const output = join(folder, residence, "model.onnx");
  const input = inRoot("samples/models/austen-llama/dynamo/model.onnx");
  const what =
    residence === "bank" ? { load: members } : { entries: [{ kind: "lora", sites: SITES, settings: {} }] };
  await compile({ input, output, residence, ...what });
  return output;
}

async function measured(name, file, loading, { rounds, tokens }) {
  const model = { tokenizer: inRoot("samples/models/austen-llama"), threads: 1, device: "cpu", ...loading };
  const options = { model: { maxBatch: 32, ...model }, serve: { name: "austen", maxAnswers: 2 * CROWD } };
  const script = inRoot("test/support/serve-child.mjs");
  const child = fork(script, [file, JSON.stringify(options)], { execArgv: ["--expose-gc"] });
  const [{ url }] = await once(child, "message");
  // The base comes first.
  const names = (await got(`${url}/v1/models`)).data.map(({ id }) => id).slice(1);
  const speeds = [];
  for (const count of COUNTS) speeds.push(await speed(url, count, names, tokens));
  const memories = [];
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const asks = names.map((_, i) => ask(i, names, 8));
    const begin = performance.now();
    const visits = await crowd(url, asks, CROWD, round);
    times.push(performance.now() - begin);
    const lost = visits.filter(({ status, wanted }) => status !== wanted);
    if (lost.length > 0)
      throw new Error(`${lost.length} of ${CROWD} clients were not answered as they should`);
    memories.push(await memory(child));
  }
  child.send("close");
  await once(child, "exit");
  const ends = (key) => [memories[0], memories.at(-1)].map((one) => `${(one[key] / 1e6).toFixed(1)} MB`);
  return [
    ...[name, ...speeds.map((one) => one.toFixed(0)), `${(median(times) / 1000).toFixed(1)} s`],
    ...[ends("heap").join(", "), ends("rss").join(", ")],
  ];
}

const ask = (i, names, tokens) => ({
  ...{ model: names[i % names.length], prompt: [1, 300 + i, 5, 9] },
  // An id that the model hardly takes: answers have one length.
  ...{ max_tokens: tokens, stop_token_ids: [2047] },
});

/** Tokens per second of clients that each ask for another adapter; the median of three. */
async function speed(url, count, names, tokens) {
  const once = async () => {
    const begin = performance.now();
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) => post(url, ask(i, names, tokens))),
    );
    const made = answers.reduce((sum, { usage }) => sum + usage.completion_tokens, 0);
    return (made / (performance.now() - begin)) * 1000;
  };
  await once();
  return median([await once(), await once(), await once()]);
}

function post(url, body) {
  const headers = { "content-type": "application/json" };
  return got(`${url}/v1/completions`, { method: "POST", headers, body: JSON.stringify(body) });
}

async function got(url, init) {
  const response = await globalThis.fetch(url, init);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

async function memory(child) {
  const said = once(child, "message");
  child.send("memory");
  return (await said)[0];
}
