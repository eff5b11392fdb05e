import { readFileSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import ort from "onnxruntime-node";
import { median } from "./median.mjs";

/** A turn is at least this many milliseconds: threads of the session before look for work that long at most. */
const TURN = 20;

export const wallClock = () => performance.now();

/** Of all threads of this process. */
export function processorClock() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Times of things that take turns, so that what else the machine does meets them all: forwards, then backwards. The
 * first round is not counted.
 *
 * @template {string} Name
 * @param {Readonly<Record<Name, () => Promise<unknown>>>} things
 * @param {number} rounds
 * @param {() => number} clock milliseconds
 * @returns {Promise<Record<Name, number[]>>} milliseconds of one run in each round
 */
export async function race(things, rounds, clock = wallClock) {
  const entries = Object.entries(things);
  const times = Object.fromEntries(entries.map(([name]) => [name, []]));
  const repeats = {};
  for (const [name, act] of entries) repeats[name] = await warm(act, clock);
  for (let round = 0; round < rounds; round++) {
    for (const [name, act] of round % 2 === 0 ? entries : [...entries].reverse()) {
      // The results of the run before are garbage, hundreds of megabytes of a whole model's.
      globalThis.gc?.();
      const start = clock();
      for (let i = 0; i < repeats[name]; i++) await act();
      times[name].push((clock() - start) / repeats[name]);
    }
  }
  return times;
}

/** How often it has to be done to fill a turn. What takes long is warm when it is done once. */
async function warm(act, clock) {
  const repeats = async () => {
    const start = clock();
    await act();
    return Math.ceil(TURN / (clock() - start));
  };
  return (await repeats()) === 1 ? 1 : Math.max(1, await repeats());
}

/** What `by` adds to or takes of each round's time, as the median of rounds, with the quartiles. */
export function compared(times, base, by = (a, b) => a / b) {
  const all = times.map((time, round) => by(time, base[round])).sort((a, b) => a - b);
  const at = (part) => all[Math.round(part * (all.length - 1))];
  return { middle: median(all), low: at(0.25), high: at(0.75) };
}

/**
 * How many numbers each value that onnxruntime computes has for one token more, by its own profile, which says the
 * shape of what each op made.
 *
 * @param {{ name: string, shape: (tokens: number) => number[] }} input the graph's only one
 * @param {string} folder where onnxruntime writes the profile
 */
export async function numbersPerToken(file, { name, shape }, folder) {
  const count = (dims) => dims.reduce((a, b) => a * b, 1);
  const sizes = async (tokens) => {
    const dims = shape(tokens);
    const x = new ort.Tensor("float32", new Float32Array(count(dims)), dims);
    const events = await profile(file, { [name]: x }, join(folder, "profile"));
    return events.map(({ args }) => args.output_type_shape.map((output) => count(Object.values(output)[0])));
  };
  const [few, more] = [await sizes(2), await sizes(3)];
  return more.flatMap((outputs, op) => outputs.map((size, i) => size - few[op][i]));
}

/** What onnxruntime notes of each op of one run. */
async function profile(file, feeds, prefix) {
  const options = { enableProfiling: true, profileFilePrefix: prefix, logSeverityLevel: 4 };
  const session = await ort.InferenceSession.create(file, options);
  await session.run(feeds);
  session.endProfiling();
  await session.release();
  const written = readdirSync(dirname(prefix)).find((name) => name.startsWith(basename(prefix)));
  const path = join(dirname(prefix), written);
  const events = JSON.parse(readFileSync(path, "utf8"));
  rmSync(path);
  return events.filter(({ cat, args }) => cat === "Node" && args?.output_type_shape !== undefined);
}
