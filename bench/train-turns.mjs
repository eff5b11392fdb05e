import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { median } from "./median.mjs";
import { markdownTable } from "./table.mjs";

/**
 * A process that trains a step for each line that it is told.
 *
 * @typedef {object} Worker
 * @property {string} name in the table
 * @property {string} program
 * @property {readonly string[]} args
 */

/**
 * Lets workers take one step after the other, so that what else the machine does falls on all of them.
 *
 * @param {{ rounds: number, clock: "seconds" | "processor" }} settings steps that count, and which time
 */
export async function inTurns(workers, { rounds, clock }) {
  const started = workers.map(({ name, program, args }) => ({
    name,
    ask: asking(program, args),
    times: [],
    losses: [],
  }));
  for (let step = 1; step <= rounds + 1; step++) {
    for (const worker of started) {
      const { loss, [clock]: time } = await worker.ask(String(step));
      // The first step finds its memory.
      if (step > 1) worker.times.push(time);
      worker.losses.push(loss);
    }
  }
  const [first] = started;
  for (const worker of started) {
    worker.memory = await worker.ask("memory");
    worker.ask(null);
    worker.difference = Math.max(...worker.losses.map((loss, i) => Math.abs(loss - first.losses[i])));
  }
  return started;
}

/** A process that answers each line with a line of JSON; null ends it. */
function asking(program, args) {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (said = (said + text).slice(-2000)));
  // What it says of its end is in `said`; writing to it then is no other failure.
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (line) => {
    if (line === null) return child.stdin.end();
    child.stdin.write(`${line}\n`);
    const { done, value } = await lines.next();
    if (done) throw new Error(`${args[0]} ended:\n${said}`);
    return JSON.parse(value);
  };
}

/**
 * Times and memory as ratios to those of the first workers, which stand for `peers`.
 *
 * @param {readonly string[]} peers heads of the columns of ratios, one for each of the first workers
 */
export function turnsTable(results, peers) {
  const ratio = (own, other) => `${(own / other).toFixed(2)} ×`;
  const others = peers.map((_, i) => results[i]);
  const rows = results.map(({ name, times, memory, difference }) => [
    name,
    `${(median(times) * 1000).toFixed(0)} ms`,
    ...others.map((other) => ratio(median(times), median(other.times))),
    `${Math.round(memory.step / 1e6)} MB`,
    ...others.map((other) => ratio(memory.step, other.memory.step)),
    `${Math.round(memory.process / 1e6)} MB`,
    difference.toExponential(0),
  ]);
  const head = ["", "step", ...peers, "memory", ...peers, "process", "loss differs by"];
  return markdownTable(head, rows);
}
