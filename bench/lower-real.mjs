import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, linkSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { fillSafetensors } from "./adapters-weights.mjs";
import { adapterFile } from "../dist/compiler/compile/compile.js";
import { machine, writeSection } from "./lower.mjs";
import { makeVariants } from "./lower-variants.mjs";
import { realTable, realTargets } from "./lower-real-tables.mjs";
import { withFolder } from "./workplace.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Positions of shared caches: of lower-real.py's, too. */
const LENGTH = "1024";

const ROUNDS = 5;

/** Of an adapter's weights, so that it adds something and the model still answers. */
const SMALL = 0.002;

/**
 * A real model: `DIR/onnx/model.onnx` is its export, `DIR/hf` its Hugging Face folder with `tokenizer.json` and
 * `chat_template.jinja`, and every `.gguf` in DIR the same model for llama.cpp.
 */
export async function runReal(folder, settings) {
  const text = await withFolder(async (work) => {
    const onnx = makeGraphs(work, folder, settings);
    const results = await measured(folder, onnx, settings);
    return [machine(settings), realTable(results), realTargets(results)].join("\n\n");
  });
  console.log(text);
  if (settings.write) await writeSection("lower-real", text);
}

function makeGraphs(work, folder, { python, variants = "" }) {
  for (const name of readdirSync(join(folder, "onnx")).filter((each) =>
    /^(model\.onnx|config\.json)/.test(each),
  ))
    linkOrCopy(join(folder, "onnx", name), join(work, name));
  const shared = ["--kv", "shared", "--max-length", LENGTH];
  const int4 = ["--quantize", "int4"];
  const tfc = (name, file, make) => ({
    ...{ name: `tfc, ${name}`, file: `${file}.onnx`, by: "tfc", make },
    form: make.includes("shared") ? "shared" : "concat",
    needs: make.filter((flag) => /^--/.test(flag)),
  });
  const oneRow = ["--batch", "1", ...shared];
  const unpadded = ["--unpadded", "--pack", ...oneRow];
  const plain = "--no-adapters";
  const adapter = ["--adapter", "scalarlm", "--rank", "32"];
  const all = [
    { name: "the export", file: "model.onnx", form: "concat", by: "export" },
    tfc("fp32, joined caches", "joined", [plain]),
    tfc("fp32, shared caches", "shared", [...shared, plain]),
    tfc("fp32, shared caches, one row", "shared-row", [...oneRow, plain]),
    tfc("int4, joined caches", "int4-joined", [...int4, plain]),
    tfc("int4, joined caches, packed", "int4-joined-packed", [...int4, "--pack", plain]),
    tfc("int4, shared caches", "int4", [...int4, ...shared, plain]),
    tfc("int4, shared caches, one row", "int4-row", [...int4, ...oneRow, plain]),
    tfc("int4, shared caches, one row, packed", "int4-row-packed", [...int4, "--pack", ...oneRow, plain]),
    tfc("int4, shared caches, one row, unpadded, packed", "int4-unpadded-packed", [
      ...[...int4, ...unpadded, plain],
    ]),
    tfc("int4 symmetric, shared caches", "int4-symmetric", [...int4, "--symmetric", ...shared, plain]),
    tfc("int4 symmetric, shared caches, one row", "int4-symmetric-row", [
      ...[...int4, "--symmetric", ...oneRow, plain],
    ]),
    tfc("int4 symmetric, shared caches, one row, unpadded, packed", "int4-symmetric-unpadded-packed", [
      ...[...int4, "--symmetric", ...unpadded, plain],
    ]),
    tfc("int4, joined caches, scalarlm", "int4-joined-adapted", [...int4, ...adapter]),
    tfc("int4, shared caches, scalarlm", "int4-adapted", [...int4, ...shared, ...adapter]),
    {
      ...{ name: "genai's builder, int4", file: "genai/model.onnx", form: "shared", by: "tool" },
      make: ["genai", join(folder, "hf"), join(work, "genai", "model.onnx"), "int4"],
      needs: "onnxruntime_genai",
    },
  ];
  console.error("making graphs");
  const wanted = all.filter(({ name }) => new RegExp(variants).test(name));
  const made = makeVariants(python, work, wanted);
  // Fresh adapters add nothing: these shall.
  for (const { file, missing, make = [] } of made)
    if (missing === undefined && make.includes("--adapter"))
      fillSafetensors(adapterFile(join(work, file)), SMALL);
  return made.map((one) => ({ ...one, file: join(work, one.file) }));
}

function linkOrCopy(from, to) {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/** Every model in turn, in each of a few rounds. */
async function measured(folder, graphs, { python, threads }) {
  const page = here("page.txt");
  const plan = (engine, models) => ({ engine, hf: join(folder, "hf"), page, threads, models });
  const ready = graphs.filter(({ missing }) => missing === undefined);
  const onnx = new Worker(python, plan("onnx", ready));
  const llama = findLlama(python);
  const ggufs = readdirSync(folder)
    .filter((name) => name.endsWith(".gguf"))
    .map((name) => ({ name: `llama.cpp, ${name}`, file: join(folder, name), form: "gguf", by: "llama.cpp" }));
  const other = llama === null || ggufs.length === 0 ? null : new Worker(llama, plan("llama.cpp", ggufs));
  const models = [
    ...ready.map((one) => ({ ...one, worker: onnx })),
    ...(other === null ? [] : ggufs.map((one) => ({ ...one, worker: other }))),
  ];
  const results = new Map(models.map(({ name }) => [name, { prefill: [], decode: [] }]));
  console.error("measuring");
  for (const { name, worker } of models)
    for (const what of ["answer", "perplexity"]) results.get(name)[what] = await worker.ask({ name, what });
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { name, worker } of round % 2 === 0 ? models : models.toReversed()) {
      for (const what of ["prefill", "decode"]) {
        const said = await worker.ask({ name, what });
        if (said.error !== undefined) results.get(name).error = said.error;
        else if (round > 0) results.get(name)[what].push(said.tokens / said.seconds);
      }
    }
  }
  onnx.end();
  other?.end();
  const missing = graphs.filter((one) => one.missing !== undefined);
  const none = llama === null ? "llama-cpp-python is not installed" : `no .gguf in ${folder}`;
  return [
    ...models.map(({ name, by }) => ({ name, by, ...results.get(name) })),
    ...missing.map(({ name, by, missing: why }) => ({ name, by, missing: why })),
    ...(other === null ? [{ name: "llama.cpp", by: "llama.cpp", missing: none }] : []),
  ];
}

/** A Python that has llama-cpp-python: $LLAMA_PYTHON, or the one that has the rest; null where neither has. */
function findLlama(python) {
  const candidates = [process.env.LLAMA_PYTHON, python].filter((name) => name !== undefined && name !== "");
  const has = (name) => spawnSync(name, ["-c", "import llama_cpp, tokenizers, jinja2, numpy"]).status === 0;
  return candidates.find(has) ?? null;
}

/** A process of lower-real.py. */
class Worker {
  #process;
  #lines;

  constructor(python, plan) {
    this.#process = spawn(python, [here("lower-real.py")], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" },
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    this.#say(plan);
  }

  async ask(question) {
    this.#say(question);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("lower-real.py ended");
    return JSON.parse(value);
  }

  end() {
    this.#process.stdin.end();
  }

  #say(what) {
    this.#process.stdin.write(`${JSON.stringify(what)}\n`);
  }
}
