/**
 * Trains adapters with tfc's training graph on request, for train.mjs: `node train-worker.mjs PLAN`, where PLAN is JSON:
 * `graph` a training graph, `batch` and `length` of the rows, `vocabulary`, `rate`, `threads`, `decay`
 * of weights, and the norm of gradients to `clip` at, 0 for none.
 *
 * Reads lines, each the number of a step; trains on that step's rows and answers with a line of JSON, { seconds,
 * processor, loss }, the seconds on the clock and those of all processors; for "memory" with { step, process }: bytes at most, over those just before the first step, and of the whole process.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { firstValues } from "../dist/runtime/train/first-values.js";
import { openTraining } from "../dist/runtime/train/graph.js";
import { TrainState } from "../dist/runtime/train/state.js";
import { trainStep } from "../dist/runtime/train/step.js";

const plan = JSON.parse(process.argv[2]);
const opened = await openTraining(plan.graph, "update", { provider: "cpu", threads: plan.threads });
const state = new TrainState(opened.training, firstValues(plan.graph, opened.training.parameters));
let before;
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "memory") {
    const peak = kilobytes("VmHWM");
    answer({ step: (peak - before) * 1024, process: peak * 1024 });
    continue;
  }
  const update = Number(line);
  const batch = rows(update);
  if (before === undefined) {
    before = kilobytes("VmRSS");
    // From here on the kernel's mark of the most that was used counts anew.
    writeFileSync("/proc/self/clear_refs", "5");
  }
  const settings = {
    learningRate: plan.rate,
    update,
    weightDecay: plan.decay,
    clip: plan.clip,
    lossScale: 1,
    dropoutSeeds: [0],
  };
  const [start, processor] = [performance.now(), process.cpuUsage()];
  const { loss } = await trainStep(opened, state, [batch], settings);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(processor);
  answer({ seconds, processor: (user + system) / 1e6, loss });
}
process.exit(0);

function answer(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/** The same rows as train-pytorch.py makes: a linear congruential generator. */
function rows(step) {
  const dims = [plan.batch, plan.length];
  let state = BigInt((12345 + step) % 2 ** 31);
  const ids = new BigInt64Array(plan.batch * plan.length);
  for (let i = 0; i < ids.length; i++) {
    state = (state * 1103515245n + 12345n) % 2n ** 31n;
    ids[i] = 3n + ((state >> 8n) % BigInt(plan.vocabulary - 3));
  }
  const tensor = (data) => ({ dtype: "int64", dims, data });
  return { ids: tensor(ids), labels: tensor(ids), mask: tensor(new BigInt64Array(ids.length).fill(1n)) };
}

function kilobytes(name) {
  const line = readFileSync("/proc/self/status", "ascii")
    .split("\n")
    .find((one) => one.startsWith(`${name}:`));
  return Number(/\d+/.exec(line)?.[0]);
}
