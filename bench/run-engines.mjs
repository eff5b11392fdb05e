import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { median } from "./median.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** A process that generates: its lines are those of run-worker.mjs. */
class Engine {
  #process;
  #lines;

  constructor(command) {
    const [program, ...args] = command;
    this.#process = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async ask(question) {
    this.#process.stdin.write(`${JSON.stringify(question)}\n`);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error("the process ended");
      // Libraries may print of their own.
      if (value.startsWith("{")) return JSON.parse(value);
    }
  }

  end() {
    this.#process.stdin.end();
  }
}

/** tfc on a graph, one that generates by itself among them. */
export const tfc = (name, file, threads) => ({
  name,
  command: [process.execPath, here("run-worker.mjs"), "tfc", JSON.stringify({ file, threads })],
});

/** The usual loop in Python, and the one that binds caches; none where there is no Python with onnxruntime. */
export function pythonLoops(file, threads) {
  const candidates = [process.env.PYTHON, "python3"].filter((name) => name !== undefined && name !== "");
  const has = (name) => spawnSync(name, ["-c", "import onnxruntime, numpy"]).status === 0;
  const python = candidates.find(has);
  if (python === undefined) return [];
  const said = spawnSync(python, ["-c", "import onnxruntime as o; print(o.__version__)"], {
    encoding: "utf8",
  });
  const version = said.stdout.trim();
  return ["plain", "bound"].map((how) => ({
    name: `Python, onnxruntime ${version}, ${how === "plain" ? "session.run" : "caches bound"}`,
    command: [python, here("run-loop.py"), how, JSON.stringify({ file, threads })],
  }));
}

/**
 * transformers.js on the same graph; none where it is not installed: the folder of its package, or one with it in
 * node_modules, is TRANSFORMERS_JS.
 */
export function transformersJs(work, file, hf, threads) {
  const given = process.env.TRANSFORMERS_JS;
  if (given === undefined) return [];
  const found = [given, join(given, "node_modules/@huggingface/transformers")].find(
    (folder) =>
      existsSync(join(folder, "package.json")) &&
      JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).name === "@huggingface/transformers",
  );
  if (found === undefined) return [];
  const { version } = JSON.parse(readFileSync(join(found, "package.json"), "utf8"));
  const folder = join(work, "transformers-js");
  mkdirSync(join(folder, "onnx"), { recursive: true });
  for (const from of [file, `${file}.data`, `${file}_data`].filter((each) => existsSync(each)))
    linkOrCopy(from, join(folder, "onnx", basename(from)));
  // Every answer has its whole length.
  const config = JSON.parse(readFileSync(join(hf, "config.json"), "utf8"));
  delete config.eos_token_id;
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "generation_config.json"), JSON.stringify({ pad_token_id: 0 }));
  const plan = JSON.stringify({ package: found, folder, threads });
  return [
    {
      name: `transformers.js ${version}`,
      command: [process.execPath, here("run-worker.mjs"), "transformers.js", plan],
    },
  ];
}

export function linkOrCopy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/**
 * Prefill and decode of several engines, which take turns, and the memory that each had at most.
 *
 * @returns {Promise<readonly { name: string, prefill: number, decode: number, memory: number, ids: readonly number[] }[]>}
 *   tokens per second, medians; bytes
 */
export async function measureEngines(engines, { prompt, count, rounds }) {
  const running = engines.map((one) => ({ ...one, engine: new Engine(one.command), first: [], all: [] }));
  for (let round = 0; round <= rounds; round++) {
    for (const one of round % 2 === 0 ? running : running.toReversed()) {
      const { seconds: first } = await one.engine.ask({ prompt, new: 1 });
      const { seconds: all, ids } = await one.engine.ask({ prompt, new: count });
      one.ids = ids;
      if (round === 0) continue;
      one.first.push(first);
      one.all.push(all);
    }
  }
  const results = [];
  for (const { name, engine, first, all, ids } of running) {
    const { memory } = await engine.ask({});
    engine.end();
    const behind = all.map((seconds, i) => seconds - first[i]);
    results.push({
      ...{ name, memory, ids },
      prefill: prompt.length / median(first),
      decode: (count - 1) / median(behind),
      whole: count / median(all),
    });
  }
  return results;
}
