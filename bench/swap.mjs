import { statSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { adapterFile, compile } from "../dist/compiler/compile/compile.js";
import { AdapterStore, loadModel, makeFeeds, openSession } from "../dist/runtime/index.js";
import { fillSafetensors } from "./adapters-weights.mjs";
import { median } from "./median.mjs";
import { markdownTable } from "./table.mjs";
import { withFolder, writeModel } from "./workplace.mjs";

const sample = fileURLToPath(new URL("../samples/models/austen-llama/dynamo/model.onnx", import.meta.url));

const SITES = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";

/** Of an adapter's weights. */
const DEVIATION = 0.02;

/** Eight layers of a small Llama's width: with LoRA of this rank at all projections an adapter has 200 MB. */
const LARGE = {
  ...{ layers: 8, hidden: 1024, heads: 16, kvHeads: 8, headDim: 64, intermediate: 2816 },
  ...{ vocab: 1024, tied: true, dtype: "float" },
};
const LARGE_RANK = 344;

/**
 * What it costs to run another adapter than the step before, where both are in memory: milliseconds of a step of one
 * token on the sample model, lease and all, with the same adapter as before and with another. The two take turns.
 *
 * @param {{ rounds?: number, threads?: number }} options
 * @returns {Promise<{ same: number, other: number, lease: number }>} medians; `lease` is that of taking and ending one
 */
export function measureSwap({ rounds = 500, threads = 1 } = {}) {
  return withFolder(async (folder) => {
    const graph = await withInputs(folder, sample, 8);
    const adapters = { a: await trained(folder, sample, 8, "a"), b: await trained(folder, sample, 8, "b") };
    const session = await openSession(graph, { threads });
    const store = new AdapterStore(session, { adapters });
    const feeds = makeFeeds(session, { batch: 1, sequence: 1, past: 16 }, { seed: 1 });
    const times = { same: [], other: [], lease: [] };
    let last = "";
    for (let round = -20; round < rounds * 2; round++) {
      // a a b b a a …: every second step is with the adapter of the step before.
      const name = round & 2 ? "b" : "a";
      const begin = performance.now();
      const lease = await store.lease(name);
      const leased = performance.now();
      await session.run(new Map([...feeds, ...lease.feeds]), ["logits"]);
      const ran = performance.now();
      lease.release();
      const end = performance.now();
      if (round >= 0) {
        times[name === last ? "same" : "other"].push(end - begin);
        times.lease.push(leased - begin + (end - ran));
      }
      last = name;
    }
    await session.close();
    return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
  });
}

/**
 * The same through a model, whose graph runs in a thread of its own: milliseconds of a request for one token.
 *
 * @param {{ rounds?: number, threads?: number }} options
 * @returns {Promise<{ same: number, other: number }>} medians
 */
export function measureModelSwap({ rounds = 200, threads = 1 } = {}) {
  return withFolder(async (folder) => {
    const graph = await withInputs(folder, sample, 8);
    const adapters = { a: await trained(folder, sample, 8, "a"), b: await trained(folder, sample, 8, "b") };
    const model = await loadModel(graph, { device: "cpu", threads, adapters });
    const times = { same: [], other: [] };
    let last = "";
    for (let round = -20; round < rounds * 2; round++) {
      const adapter = round & 2 ? "b" : "a";
      const begin = performance.now();
      await model.generate({ prompt: [1], maxNewTokens: 1, adapter }).result();
      if (round >= 0) times[adapter === last ? "same" : "other"].push(performance.now() - begin);
      last = adapter;
    }
    await model.close();
    return { same: median(times.same), other: median(times.other) };
  });
}

/**
 * How long the event loop stands still while an adapter of 200 MB is read and checked, and taken over by a session in
 * this thread or by a model in its own.
 *
 * @param {"session" | "model"} by
 * @returns {Promise<{ bytes: number, read: number, delay: number, idle: number }>} of the adapter's file; milliseconds
 *   of the read, of the longest delay meanwhile, and of the longest in as much time without anything to do: what else the
 *   machine does
 */
export function measureRead(by) {
  return withFolder(async (folder) => {
    const { graph: base } = writeModel(join(folder, "base"), LARGE, { notes: false });
    const graph = await withInputs(folder, base, 1);
    const file = await trained(folder, base, LARGE_RANK, "large");
    const open = by === "model" ? loadModel(graph, { device: "cpu", threads: 1 }) : openSession(graph);
    const opened = await open;
    const store = by === "model" ? opened.adapters : new AdapterStore(opened);
    // The thread is there, as it is in what has been running for a while.
    await store.add("first", file);
    store.remove("first");
    // What the preparation left behind is collected before.
    await sleep(500);
    let read = 0;
    const delay = await longestDelay(async () => {
      const begin = performance.now();
      await store.add("large", file);
      read = performance.now() - begin;
    });
    const idle = await longestDelay(() => sleep(read));
    await opened.close();
    return { bytes: statSync(file).size, read, delay, idle };
  });
}

/** The longest delay of the event loop while something goes on, and shortly after: milliseconds. */
async function longestDelay(act) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  await act();
  await sleep(100);
  delays.disable();
  return delays.max / 1e6;
}

/** `npm run bench -- swap [--rounds N] [--threads N]`: all of it as a table. */
export async function run(args) {
  const options = { rounds: { type: "string", default: "500" }, threads: { type: "string", default: "1" } };
  const { rounds, threads } = parseArgs({ args, options }).values;
  const rows = await swapRows({ rounds: Number(rounds), threads: Number(threads) });
  console.log(markdownTable(["what", "measured", "wanted"], rows));
}

/** All of it as lines of a table: what, measured, wanted. */
export async function swapRows(options) {
  const [swap, asked] = [await measureSwap(options), await measureModelSwap(options)];
  const [here, there] = [await measureRead("session"), await measureRead("model")];
  const ms = (value) => `${value.toFixed(Math.abs(value) < 1 ? 3 : 1)} ms`;
  return [
    ["step of a session, the adapter of the step before", ms(swap.same), ""],
    ["step of a session, another adapter in memory", ms(swap.other), ""],
    ["swap: the difference", ms(swap.other - swap.same), "≤ 1 ms"],
    ["lease and release alone", ms(swap.lease), "≤ 1 ms"],
    ["request of a model for one token, the adapter of the one before", ms(asked.same), ""],
    ["request of a model for one token, another adapter in memory", ms(asked.other), ""],
    ["swap: the difference", ms(asked.other - asked.same), "≤ 1 ms"],
    [`reading an adapter of ${(there.bytes / 1e6).toFixed(0)} MB for a model`, ms(there.read), ""],
    ["longest delay of the event loop meanwhile", ms(there.delay), "≤ 20 ms"],
    ["longest delay with nothing to do", ms(there.idle), ""],
    ["reading the same for a session in this thread", ms(here.read), ""],
    ["longest delay of the event loop meanwhile", ms(here.delay), ""],
  ];
}

async function withInputs(folder, input, rank) {
  const output = join(folder, "inputs", "model.onnx");
  await compile({ input, output, adapter: "lora", sites: SITES, settings: { rank }, residence: "inputs" });
  return output;
}

/** An adapter with numbers in all its leaves. */
async function trained(folder, input, rank, name) {
  const output = join(folder, name, "model.onnx");
  await compile({ input, output, adapter: "lora", sites: SITES, settings: { rank } });
  const file = adapterFile(output);
  fillSafetensors(file, DEVIATION);
  return file;
}
