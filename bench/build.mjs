import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { cpus, release, type } from "node:os";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { clearInterval, setInterval } from "node:timers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compile } from "../dist/compiler/compile/compile.js";
import { models } from "./llama.mjs";
import { writeSection } from "./lower.mjs";
import { median } from "./median.mjs";
import { markdownTable } from "./table.mjs";
import { withFolder, writeModel } from "./workplace.mjs";

const inRepository = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const QUERY = "?tfc&adapter=lora&adapters=inputs";
/** Bytes of a page of memory, as `statm` counts them where this is measured. */
const PAGE = 4096;
const bundlers = ["vite", "rollup", "rolldown", "webpack", "rspack", "esbuild"];

/**
 * Builds of a page by vite: with the build step, cold and cached, and with the compiled model's files as plain assets.
 * `--rounds N` (default 7); `--write` puts the tables into docs/benchmarks.md.
 */
export async function run(args) {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: "string", default: "7" }, write: { type: "boolean", default: false } },
  });
  const times = await withFolder((folder) => measureTimes(folder, Number(values.rounds)));
  const memory = await withFolder((folder) => measureMemory(folder));
  const gigabytes = `${(memory.bytes / 1e9).toFixed(1)} GB`;
  const text = [
    await machine(),
    "",
    markdownTable(
      ["build of a page with the sample model", "ms"],
      [
        ["files of the compiled model as plain assets", times.plain.toFixed(0)],
        ["`?tfc`, cached", times.cached.toFixed(0)],
        ["`?tfc`, cold", times.cold.toFixed(0)],
      ],
    ),
    "",
    markdownTable(
      ["peak memory of the build", "MB"],
      [
        ["a page with onnxruntime-web: the compiled sample as plain assets", memory.plain.toFixed(0)],
        [`the page, \`?tfc\` of a model of ${gigabytes}, cold`, memory.page.toFixed(0)],
        ["for Node, `?tfc` of the sample, cold", memory.small.toFixed(0)],
        [`for Node, \`?tfc\` of a model of ${gigabytes}, cold`, memory.large.toFixed(0)],
        ["the same, cached", memory.cached.toFixed(0)],
      ],
    ),
    "",
    markdownTable(
      [
        "peak memory of a build, MB",
        "a page that loads onnxruntime, without tfc",
        `\`?tfc&for=cpu\` of ${gigabytes} in it`,
        `for Node, \`?tfc\` of ${gigabytes}`,
      ],
      memory.bundlers.map(({ bundler, ...all }) => [
        bundler,
        ...[all.without, all.page, all.node].map(shown),
      ]),
    ),
  ].join("\n");
  console.log(text);
  if (values.write) await writeSection("build", text);
}

function shown(megabytes) {
  return megabytes === null ? "" : megabytes.toFixed(0);
}

/** What was measured on, and with what. */
async function machine() {
  const { version } = await import("vite");
  const where = `${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${type()} ${release().split(".", 2).join(".")}`;
  return `${where}, Node ${process.versions.node}, vite ${version}; medians.`;
}

/** Medians of builds in processes of their own, which take turns; loading vite does not count, loading the plugin does. */
export async function measureTimes(folder, rounds) {
  const { page, plain } = await projects(folder);
  const times = { plain: [], cached: [], cold: [] };
  const cache = join(page, "node_modules/.cache");
  for (let round = -1; round < rounds; round++) {
    rmSync(cache, { recursive: true, force: true });
    const measured = {
      cold: await build(page, true),
      plain: await build(plain, false),
      cached: await build(page, true),
    };
    if (round >= 0) for (const [name, { ms }] of Object.entries(measured)) times[name].push(ms);
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

/** Megabytes at most, of builds of the sample and of a model whose weights are a hole in a file. */
export async function measureMemory(folder, size = models["Llama-3.1-8B"]) {
  const { page, plain } = await projects(folder);
  const large = join(folder, "large");
  project(
    large,
    'import model from "./model/model.onnx?tfc&adapter=lora&adapters=inputs"; console.log(model.url);',
  );
  const { weightBytes } = writeModel(join(large, "model"), size, { notes: false });
  const of = async (...asked) => (await build(...asked)).megabytes;
  const measured = {
    bytes: weightBytes,
    plain: await of(plain, false),
    page: await of(large, true),
    small: await of(page, true, "node"),
    large: await of(clean(large), true, "node"),
    cached: await of(large, true, "node"),
    bundlers: [],
  };
  for (const bundler of bundlers) measured.bundlers.push(await measureBundler(folder, large, bundler));
  return measured;
}

/**
 * Megabytes at most, of builds of a page that loads onnxruntime and of one with the large model in it: what the
 * bundler takes for itself and for a WebAssembly is in both.
 */
async function measureBundler(folder, large, bundler) {
  const without = join(folder, `without-${bundler}`);
  const host = JSON.stringify(inRepository("dist/web/onnxruntime-wasm.js"));
  const web = JSON.stringify(inRepository("dist/web/index.js"));
  project(
    without,
    `import { defineModel } from ${web};\nimport { host } from ${host};\nconsole.log(defineModel, host);`,
  );
  const of = (query) =>
    writeFileSync(
      join(large, "main.js"),
      `import model from "./model/model.onnx${QUERY}${query}"; console.log(model.url);`,
    );
  // Rollup finds packages by a plugin alone.
  const isPage = bundler !== "rollup";
  of("&for=cpu");
  const page = isPage ? (await build(clean(large), true, "browser", bundler)).megabytes : null;
  of("");
  return {
    bundler,
    without: isPage ? (await build(without, false, "browser", bundler)).megabytes : null,
    page,
    node: (await build(clean(large), true, "node", bundler)).megabytes,
  };
}

/** The project without what was compiled and built. */
function clean(folder) {
  for (const name of ["node_modules/.cache", "out"])
    rmSync(join(folder, name), { recursive: true, force: true });
  return folder;
}

/** Two projects with one page: its model is compiled by the build, or lies there compiled. */
async function projects(folder) {
  const [page, plain] = [join(folder, "page"), join(folder, "plain")];
  const show = "console.log(model.url, model.createSession);";
  project(page, `import model from "./model/model.onnx${QUERY}";\n${show}`);
  const sample = inRepository("samples/models/austen-llama/dynamo");
  cpSync(sample, join(page, "model"), { recursive: true });
  const output = join(plain, "model/model.onnx");
  const input = join(sample, "model.onnx");
  await compile({ input, output, adapter: "lora", residence: "inputs", weights: "link" });
  project(plain, plainMain(show));
  return { page, plain };
}

/** A module that does by hand what the plugin's does, of the same parts. */
function plainMain(show) {
  return [
    `import { defineModel } from ${JSON.stringify(inRepository("dist/web/index.js"))};`,
    `import { host } from ${JSON.stringify(inRepository("dist/web/onnxruntime-web.js"))};`,
    `import url from "./model/model.onnx?url&no-inline";`,
    `import data from "./model/model.base/model.onnx.data?url&no-inline";`,
    `const description = { inputs: [], outputs: [], adapters: [] };`,
    `const model = defineModel({ name: "model", url, data: [data], text: null, description, facts: {}, host });`,
    show,
  ].join("\n");
}

function project(folder, main) {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "index.html"), '<script type="module" src="/main.js"></script>');
  writeFileSync(join(folder, "main.js"), main);
  symlinkSync(inRepository("node_modules/onnxruntime-web"), join(folder, "node_modules/onnxruntime-web"));
}

/**
 * Builds a project.
 *
 * @returns milliseconds, and megabytes at most: of the build's own process by the kernel's mark, or of it and those that
 *   it started together, as they were looked at every few milliseconds. Pages that these share count in each.
 */
async function build(folder, hasPlugin, target = "browser", bundler = "vite") {
  const report = join(folder, "memory.txt");
  const child = spawn(
    process.execPath,
    [
      ...["--import", new URL("peak-memory.mjs", import.meta.url).href],
      ...[inRepository("bench/build-once.mjs"), folder, String(hasPlugin), target, bundler],
    ],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, BENCH_REPORT: report } },
  );
  let together = 0;
  const look = setInterval(() => (together = Math.max(together, residentOf(child.pid))), 10);
  const texts = [child.stdout, child.stderr].map((stream) => textOf(stream));
  const [status] = await once(child, "close");
  clearInterval(look);
  const [stdout, stderr] = await Promise.all(texts);
  if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`);
  const [, kilobytes = "0"] = /(\d+) kB/.exec(readFileSync(report, "utf8")) ?? [];
  return {
    ms: Number(stdout.trim().split("\n").at(-1)),
    megabytes: Math.max(Number(kilobytes) / 1024, together),
  };
}

/** Megabytes that a process and those below it have now; 0 where that cannot be told. */
function residentOf(pid) {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, "ascii").split(" ");
    const below = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "ascii").trim().split(" "),
    );
    const own = (Number(pages) * PAGE) / 2 ** 20;
    return below.filter((one) => one !== "").reduce((sum, one) => sum + residentOf(one), own);
  } catch {
    // It has ended, or there is no such folder.
    return 0;
  }
}
