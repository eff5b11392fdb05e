import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, type } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { LARGE, lengthOf, MIXTURE, scaled, SMALL } from "./lower-columns.mjs";
import { speedTable, targetTable } from "./lower-tables.mjs";
import { makeExport, makeVariants, run as output, variantsOf } from "./lower-variants.mjs";
import { withFolder } from "./workplace.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const options = {
  only: { type: "string", default: "large,small,mixture" },
  hidden: { type: "string", default: "2048" },
  layers: { type: "string", default: "4" },
  vocabulary: { type: "string", default: "8000" },
  variants: { type: "string" },
  rounds: { type: "string", default: "1" },
  threads: { type: "string", default: "1" },
  cpu: { type: "boolean", default: false },
  keep: { type: "string" },
  real: { type: "string" },
  write: { type: "boolean", default: false },
};

/**
 * What lowering gains in onnxruntime on the CPU, beside what other tools make of the same weights.
 *
 * `--only large,small,mixture` which models; `--hidden`, `--layers`, `--vocabulary` of the large one; `--variants REGEX` some of
 * the graphs; `--rounds X` a factor of the rounds; `--threads N` of onnxruntime; `--cpu` one thread, and processor time
 * in place of wall time; `--keep DIR` leaves the models there for the next run; `--real DIR` measures a real model
 * instead; `--write` puts the tables of the models that were measured into docs/benchmarks.md.
 */
export async function run(args) {
  const { values } = parseArgs({ args, options });
  const python = findPython();
  if (python === null)
    return lacks("no Python with torch, transformers, onnxscript and onnxruntime: set PYTHON");
  const settings = { ...values, python, threads: values.cpu ? 1 : Number(values.threads) };
  if (values.real !== undefined) {
    const { runReal } = await import("./lower-real.mjs");
    return runReal(resolve(values.real), settings);
  }
  const sizes = Object.keys(MEASURED).filter((size) => values.only.split(",").includes(size));
  const parts = await inFolder(values.keep, async (folder) =>
    sizes.map((size) => MEASURED[size](join(folder, size), settings)),
  );
  const where = machine(settings);
  console.log([where, ...parts].join("\n\n"));
  if (values.write)
    for (const [i, size] of sizes.entries())
      await writeSection(`lower-${size}`, [where, parts[i]].join("\n\n"));
}

/** The models that are made to be measured. */
const MEASURED = { large: measureLarge, small: measureSmall, mixture: measureMixture };

function lacks(what) {
  console.error(what);
  process.exitCode = 1;
}

/** A folder that is kept, or a temporary one. */
async function inFolder(kept, use) {
  if (kept === undefined) return withFolder(use);
  mkdirSync(kept, { recursive: true });
  return use(resolve(kept));
}

function measureLarge(folder, settings) {
  const [hidden, layers, vocabulary] = [settings.hidden, settings.layers, settings.vocabulary].map(Number);
  // genai's builder takes the first product as wide as the vocabulary for the head.
  if ([1, 4].some((times) => vocabulary === times * hidden))
    throw new Error("a vocabulary as wide as a projection");
  const shape = {
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    num_hidden_layers: layers,
    num_attention_heads: hidden / 64,
    num_key_value_heads: hidden / 256,
    vocab_size: vocabulary,
    max_position_embeddings: 8192,
    rope_theta: 500000,
  };
  console.error("making the export");
  makeExport(settings.python, folder, shape);
  const words = `${layers} layers, hidden ${hidden}, ${hidden / 64} heads sharing ${hidden / 256}, vocabulary ${vocabulary}, float32`;
  return measured("large", words, folder, scaled(LARGE, Number(settings.rounds)), settings);
}

/** Positions that the sample model is said to have: tables of angles, and caches, are as long. */
const SMALL_CONTEXT = 2048;

/** The sample model, which is of 512 positions, with a longer context: what is measured is the time, not the text. */
function measureSmall(folder, settings) {
  const sample = join(root, "samples/models/austen-llama");
  const hf = join(folder, "hf");
  mkdirSync(hf, { recursive: true });
  const names = ["model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];
  for (const name of names) copyFileSync(join(sample, name), join(hf, name));
  for (const name of ["model.onnx", "model.onnx.data"])
    copyFileSync(join(sample, "dynamo", name), join(folder, name));
  const config = JSON.parse(readFileSync(join(sample, "config.json"), "utf8"));
  const longer = JSON.stringify({ ...config, max_position_embeddings: SMALL_CONTEXT });
  for (const where of [hf, folder]) writeFileSync(join(where, "config.json"), longer);
  return measured(
    "small",
    "the sample austen-llama",
    folder,
    scaled(SMALL, Number(settings.rounds)),
    settings,
  );
}

/** A mixture of experts as transformers exports it with `batched_mm`: with a copy of an expert's weights for each row. */
function measureMixture(folder, settings) {
  const shape = {
    ...{ hidden_size: 1024, num_hidden_layers: 2, vocab_size: 8000, max_position_embeddings: 2048 },
    ...{ num_attention_heads: 16, num_key_value_heads: 4, head_dim: 64, mlp_only_layers: [] },
    ...{ num_experts: 32, num_experts_per_tok: 4, moe_intermediate_size: 512, intermediate_size: 512 },
  };
  console.error("making the export of a mixture");
  makeExport(settings.python, folder, shape);
  const words = "a mixture of 32 experts, 4 for each token, 2 layers, hidden 1024, experts 512 wide, float32";
  return measured("mixture", words, folder, scaled(MIXTURE, Number(settings.rounds)), settings);
}

function measured(size, words, folder, columns, settings) {
  const wanted = new RegExp(settings.variants ?? "");
  const isKept = ({ by, packs }) => size !== "mixture" || (by !== "floor" && packs !== true);
  const all = variantsOf(folder, columns).filter((one) => wanted.test(one.name) && isKept(one));
  console.error(`making graphs of ${words}`);
  const variants = makeVariants(settings.python, folder, all);
  console.error("measuring");
  const results = timed(folder, variants, columns, settings);
  const names = columns.map(({ name }) => name);
  return [`${words}:`, speedTable(names, results), targetTable(size, names, results)].join("\n\n");
}

/** Times variants in pairs with the export. */
function timed(folder, variants, columns, { python, threads, cpu }) {
  const length = lengthOf(columns);
  const ready = variants
    .filter(({ missing }) => missing === undefined)
    .map(({ name, file, form, rows = null }) => ({ name, file: join(folder, file), form, rows }));
  const plan = {
    base: join(folder, "model.onnx"),
    columns: columns.map((column) => ({ ...column, length })),
    threads,
    cpu,
  };
  // Each in a process of its own: what earlier ones leave in memory costs later ones some percent of a short step.
  const rows = ready.flatMap((variant) =>
    output(python, [here("lower-time.py")], {
      input: JSON.stringify({ ...plan, variants: [variant] }),
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" },
    })
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line)),
  );
  return variants.map((variant) => {
    const own = rows.filter((row) => row.variant === variant.name);
    const failed = own.find(({ column }) => column === null);
    if (failed !== undefined) return { ...variant, missing: `does not load: ${failed.error.slice(0, 160)}` };
    for (const { column, error } of own)
      if (error !== undefined) console.error(`${variant.name}, ${column}: ${error}`);
    return { ...variant, cells: Object.fromEntries(own.map(({ column, ...cell }) => [column, cell])) };
  });
}

/** A Python that has what makes and runs the base: $PYTHON or python3; null where neither has. */
export function findPython() {
  const candidates = [process.env.PYTHON, "python3"].filter((name) => name !== undefined && name !== "");
  const has = (name) => {
    try {
      output(name, ["-c", "import onnx, onnxruntime, onnxscript, torch, transformers"]);
      return true;
    } catch {
      return false;
    }
  };
  return candidates.find(has) ?? null;
}

/** What was measured on, and with what. */
export function machine({ python, threads, cpu }) {
  const processors = cpus();
  const script = `
import importlib.metadata as m, platform
names = ["onnxruntime", "torch", "transformers", "onnxscript", "onnxruntime-genai", "llama-cpp-python"]
have = {d.metadata["Name"].lower().replace("_", "-") for d in m.distributions()}
print(", ".join(["Python " + platform.python_version()] + [f"{n} {m.version(n)}" for n in names if n in have]))`;
  const how = `${threads} ${String(threads) === "1" ? "thread" : "threads"}${cpu ? ", processor time" : ""}`;
  const where = `${processors.length} × ${processors[0]?.model ?? "?"}, ${type()} ${release().split(".", 2).join(".")}`;
  return `${where}, ${output(python, ["-c", script]).trim()}; ${how}.`;
}

/** Puts text between `<!-- name: begin -->` and `<!-- name: end -->` in docs/benchmarks.md. */
export async function writeSection(name, text) {
  const page = join(root, "docs/benchmarks.md");
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const before = readFileSync(page, "utf8");
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no place for "${name}"`);
  const after = `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`;
  const { format, resolveConfig } = await import("prettier");
  writeFileSync(page, await format(after, { ...(await resolveConfig(page)), filepath: page }));
}
