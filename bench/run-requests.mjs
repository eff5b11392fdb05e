import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { adapterFile, compile } from "../dist/compiler/compile/compile.js";
import { loadModel } from "../dist/runtime/index.js";
import { fillSafetensors } from "./adapters-weights.mjs";
import { median } from "./median.mjs";

const MEMBERS = 8;
const PROMPT = 32;
const NEW = 48;
/** Of an adapter's weights. */
const DEVIATION = 0.02;

/** A graph with a bank of trained adapters: ScalarLM's, beside attention and MLP of all layers. */
async function bankOf(work, input) {
  const load = [];
  for (let i = 0; i < MEMBERS; i++) {
    const output = join(work, `member-${i}`, "model.onnx");
    await compile({ input, output, adapter: "scalarlm", settings: { rank: 8 } });
    const file = adapterFile(output);
    fillSafetensors(file, DEVIATION, `member ${i}`);
    load.push(file);
  }
  const output = join(work, "bank", "model.onnx");
  await compile({ input, output, load, residence: "bank", for: "cpu" });
  return output;
}

/**
 * Tokens per second of eight requests, each with another adapter of a bank: one after another, and at once.
 *
 * @returns {Promise<{ single: number, together: number }>} medians
 */
export async function measureBank(work, input, { rounds, threads }) {
  const model = await loadModel(await bankOf(work, input), { device: "cpu", threads, maxBatch: MEMBERS });
  const requests = model.adapters.names.map((adapter, i) => ({
    prompt: Array.from({ length: PROMPT - i }, (_, at) => 3 + ((at * 31 + i * 17) % 2000)),
    ...{ adapter, maxNewTokens: NEW, stopIds: [] },
  }));
  const times = { single: [], together: [] };
  const tokens = MEMBERS * NEW;
  const timed = async (name, act) => {
    const start = performance.now();
    await act();
    return times[name].push(tokens / ((performance.now() - start) / 1000));
  };
  for (let round = 0; round <= rounds; round++) {
    if (round === 1) for (const all of Object.values(times)) all.length = 0;
    await timed("single", async () => {
      for (const request of requests) await model.generate(request).result();
    });
    await timed("together", () => model.generateAll(requests));
  }
  await model.close();
  return { single: median(times.single), together: median(times.together) };
}

/** What else runs on the machine delays a process as well: the least of so many tries counts. */
const TRIES = 5;

/**
 * The longest delay of the event loop while a prompt of 2,000 tokens runs, and in as much time without anything to do:
 * milliseconds, the least of a few tries each.
 */
export async function measureDelay(file, threads) {
  const model = await loadModel(file, { device: "cpu", threads });
  const prompt = Array.from({ length: 2000 }, (_, i) => 3 + ((i * 31) % 2000));
  const all = { longest: [], took: [], idle: [] };
  for (let i = 0; i < TRIES; i++) {
    const start = performance.now();
    let took = 0;
    all.longest.push(
      await longestDelay(async () => {
        await model.generate({ prompt, maxNewTokens: 1, stopIds: [] }).result();
        took = performance.now() - start;
      }),
    );
    all.took.push(took);
    all.idle.push(await longestDelay(() => sleep(took)));
  }
  await model.close();
  return Object.fromEntries(Object.entries(all).map(([name, own]) => [name, Math.min(...own)]));
}

async function longestDelay(act) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  // What came before is over.
  await sleep(300);
  delays.enable();
  await act();
  delays.disable();
  return delays.max / 1e6;
}
