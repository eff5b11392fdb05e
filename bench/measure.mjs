import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { median } from "./median.mjs";

/**
 * A program to be measured: how it is called, and how so that it writes its peak memory to a file.
 *
 * @typedef {object} Program
 * @property {readonly string[]} command
 * @property {(report: string) => { command: readonly string[], env?: Record<string, string> }} reporting
 */

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const tfc = fileURLToPath(new URL("../bin/tfc.js", import.meta.url));

/**
 * `tfc compile`, and what else is on its command line.
 *
 * @returns {Program}
 */
export function tfcCompile(...args) {
  const command = [process.execPath, tfc, "compile", ...args];
  return {
    command,
    reporting: (report) => ({
      command: [process.execPath, "--import", here("peak-memory.mjs"), ...command.slice(1)],
      env: { BENCH_REPORT: report },
    }),
  };
}

/**
 * onnx.load and onnx.save in Python.
 *
 * @returns {Program}
 */
export function pythonLoadSave(python, input, output) {
  const command = [python, here("load-save.py"), input, output];
  return { command, reporting: (report) => ({ command: [...command, report] }) };
}

/**
 * A tool of a comparable job, in Python: see peers.py.
 *
 * @returns {Program}
 */
export function peer(python, tool, input, output) {
  const command = [python, here("peers.py"), tool, input, output];
  return { command, reporting: () => ({ command }) };
}

/** Of tools in Python, those whose packages are there. */
export function peersIn(python) {
  const needs = { "onnx-ir": "onnx_ir", optimize_for_ort: "onnxscript", "ort-optimizer": "onnxruntime" };
  return Object.entries(needs)
    .filter(([, module]) => spawnSync(python, ["-c", `import ${module}`]).status === 0)
    .map(([tool]) => tool);
}

/** Bundles codec.mjs into one file, so that loading modules costs the least it can. */
export function bundleCodec(folder) {
  const outfile = join(folder, "codec.mjs");
  buildSync({
    entryPoints: [here("codec.mjs")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    // protobufjs is CommonJS: its requires need one to be there.
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
  });
  return outfile;
}

/**
 * Decoding and encoding alone.
 *
 * @returns {Program}
 */
export function codecAlone(script, input, output) {
  const command = [process.execPath, script, input, output];
  return { command, reporting: () => ({ command }) };
}

/** A Python that has the onnx package: $PYTHON or python3; null where neither has. */
export function findPython() {
  const candidates = [process.env.PYTHON, "python3"].filter((name) => name !== undefined && name !== "");
  const found = candidates.find((name) => spawnSync(name, ["-c", "import onnx"]).status === 0);
  return found ?? null;
}

/** Versions of Python and its onnx package. */
export function pythonVersions(python) {
  const script =
    "import onnx, platform; print('Python', platform.python_version() + ', onnx', onnx.__version__)";
  return spawnSync(python, ["-c", script], { encoding: "utf8" }).stdout.trim();
}

/**
 * Wall time of whole processes, from their start to their end, in milliseconds: the median of several runs. Programs
 * take turns, so that what else the machine does meets them all; the first round is not counted, but where it is the
 * only one.
 *
 * @param {Readonly<Record<string, Program>>} programs
 * @param {number} rounds
 * @param {() => void} clean removes what a run wrote, so that each finds the same
 * @returns {Record<string, number>}
 */
export function wallTimes(programs, rounds, clean) {
  const times = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, { command }] of Object.entries(programs)) {
      const start = performance.now();
      spawn(command);
      const time = performance.now() - start;
      if (round > 0 || rounds === 0) times[name].push(time);
      clean();
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

/** Peak memory of a run in bytes; null where the system does not say, which only Linux does. */
export function peakMemory(program, folder) {
  if (!existsSync("/proc/self/status")) {
    spawn(program.command);
    return null;
  }
  const report = join(folder, "peak-memory.txt");
  const { command, env } = program.reporting(report);
  spawn(command, env);
  const [, kilobytes] = /(\d+) kB/.exec(readFileSync(report, "ascii")) ?? [];
  rmSync(report);
  return Number(kilobytes) * 1024;
}

/** The JSON that one of our scripts prints. */
export function scriptOutput(script, ...args) {
  return JSON.parse(spawn([process.execPath, here(script), ...args]).stdout);
}

function spawn([program, ...args], env = {}) {
  const done = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...env } });
  if (done.status === 0) return done;
  throw new Error(`${[program, ...args].join(" ")} failed:\n${done.stderr || (done.error?.message ?? "")}`);
}
