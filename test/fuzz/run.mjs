/**
 * `npm run fuzz -- --count 20000 --seed 7 [--target onnx-text]`: inputs of every kind, each target in processes of its own. A
 * process that is silent for longer than an input may take, or that dies, names the input. Exit status 1 where an input
 * failed.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { clearTimeout, setTimeout } from "node:timers";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    target: { type: "string" },
  },
});
/** Milliseconds: what an input may take, and some for a machine that does other work. */
const SILENCE = 15_000;
/**
 * No process, thread or native code, and no file outside of the temporary folders: Node refuses what tries. It refuses
 * fsync, too, so that targets that write files go without.
 */
const permission = process.allowedNodeEnvironmentFlags.has("--permission")
  ? "--permission"
  : "--experimental-permission";
const confined = [
  permission,
  "--disable-warning=ExperimentalWarning",
  "--allow-fs-read=*",
  `--allow-fs-write=${realpathSync(tmpdir())}/*`,
];
/** Inputs of a process: the memory that it has had at most is looked at after each, and only grows. */
const BATCH = 2000;
const folder = "node_modules/.cache/tfc-fuzz";
mkdirSync(folder, { recursive: true });
const worker = `${folder}/worker.mjs`;
await build({
  entryPoints: ["test/fuzz/worker.ts"],
  outfile: worker,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  sourcemap: "inline",
});

const targets = spawnSync(process.execPath, [worker, "--list"], { encoding: "utf8" })
  .stdout.trim()
  .split("\n")
  .map((line) => line.split(" "));

/** Runs a batch. @returns the seed at which it ended, null where it came to its end */
function run(name, writes, first, count) {
  return new Promise((resolve) => {
    const args = [
      ...(writes ? [] : confined),
      "--enable-source-maps",
      "--max-old-space-size=1024",
      worker,
      name,
      String(first),
      String(count),
    ];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [seed, failures, isHung] = [first, 0, false];
    const hang = () => {
      isHung = true;
      child.kill("SIGKILL");
    };
    let timer = setTimeout(hang, SILENCE);
    child.stdout.on("data", (text) => {
      seed = Number(String(text).trim().split("\n").at(-1));
      clearTimeout(timer);
      timer = setTimeout(hang, SILENCE);
    });
    child.stderr.on("data", (text) => {
      failures++;
      process.stderr.write(text);
    });
    child.on("close", (status) => {
      clearTimeout(timer);
      if (status === 0) return resolve({ failures, at: null });
      process.stderr.write(
        `${name}, seed ${seed}: ${isHung ? `no end after ${SILENCE} ms` : `exit ${status}`}\n`,
      );
      resolve({ failures: failures + 1, at: seed });
    });
  });
}

let failed = 0;
for (const [name, writes] of targets) {
  if (values.target !== undefined && values.target !== name) continue;
  const end = Number(values.seed) + Number(values.count);
  let failures = 0;
  for (let first = Number(values.seed); first < end;) {
    const count = Math.min(BATCH, end - first);
    const ended = await run(name, writes !== undefined, first, count);
    failures += ended.failures;
    first = ended.at === null ? first + count : ended.at + 1;
  }
  process.stdout.write(`${name}: ${values.count} inputs, ${failures} failed\n`);
  failed += failures;
}
process.exitCode = failed === 0 ? 0 : 1;
