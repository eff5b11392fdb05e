import { rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { describeGraph } from "../bindings/describe.ts";
import { compile, type CompileOptions } from "../compile/compile.ts";
import { planOf } from "../compile/plan.ts";
import { Sink } from "../diagnostics/sink.ts";
import { openModel } from "../onnx/open.ts";
import type { Found } from "./cache.ts";
import { Entries } from "./entries.ts";
import { checkOf, ENTRY_FILE, type Entry, type EntryFile } from "./entry.ts";
import { runFacts } from "./facts.ts";
import { identified, type Dependency } from "./identity.ts";
import { digestOf, type ImportRequest } from "./import-id.ts";
import type { PluginOptions } from "./options.ts";
import { recordText } from "./record.ts";
import { compileRequest, type CompileRequest } from "./request.ts";
import { requireInputs } from "./require-inputs.ts";
import { textFile, textSources } from "./text-file.ts";

/** What an entry is made by: plain data. */
export interface Maker {
  readonly plugin: PluginOptions;
  /** The project's folder. */
  readonly root: string;
  readonly version: string;
  /** What is known of files that were looked at before. */
  readonly known: readonly Dependency[];
  /** The folder of the cache. */
  readonly folder: string;
}

/** Compiles what an import asks for, where no entry of that content and these options is there. @throws TfcError */
export async function makeEntry(request: ImportRequest, maker: Maker): Promise<Found> {
  const asked = await compileRequest(request, maker.plugin, maker.root);
  try {
    const dependencies = await dependenciesOf(asked, maker);
    const key = keyOf(asked.options, dependencies, maker.version);
    const entries = new Entries(maker.folder);
    const entry = entries.open(key) ?? (await made(asked, key, entries));
    const { config, isInline, target } = asked;
    const all =
      config === null ? dependencies : [...dependencies, await identified(config, maker.known, true)];
    return { entry, config, isInline, target, dependencies: all };
  } catch (error) {
    throw asked.explain(error);
  }
}

/** All files that a compile reads, or links. @throws TfcError what opening the model and its adapters throws */
async function dependenciesOf({ options }: CompileRequest, { known }: Maker): Promise<readonly Dependency[]> {
  const { input, quantize, dtype, pack, weights } = options;
  const { sources } = await planOf(options);
  const data = [...openModel(input, new Sink()).stamps.keys()].filter((file) => file !== input);
  // Weights that are linked are not read.
  const isRead = quantize !== undefined || dtype !== undefined || pack === true || weights !== "link";
  const others = [...sources, ...textSources(input)];
  return Promise.all([
    ...[input, ...data].map((file) => identified(file, known, isRead)),
    ...others.map((file) => identified(file, known, true)),
  ]);
}

/** The digest of all that an entry is made of: contents and options. */
function keyOf(options: CompileOptions, dependencies: readonly Dependency[], version: string): string {
  const { input, load = [], ...others } = options;
  const contents = dependencies.map(({ path, content }) => [basename(path), content]);
  return digestOf(JSON.stringify([2, version, basename(input), load.length, sorted(others), contents]));
}

function sorted(options: object): object {
  return Object.fromEntries(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function made(asked: CompileRequest, key: string, entries: Entries): Promise<Found["entry"]> {
  const { input } = asked.options;
  const folder = entries.workplace();
  const remove = (): void => {
    removeWritten(folder);
  };
  process.once("exit", remove);
  try {
    // The name is in what the graph refers to: files keep it wherever a build puts them.
    const name = `${basename(input, ".onnx").replace(/[^\w.-]/g, "_")}-${key.slice(0, 8)}`;
    const output = join(folder, `${name}.onnx`);
    const report = await compile({ ...asked.options, output });
    const description = describeGraph(output);
    const defaults = requireInputs(output);
    const facts = runFacts(output, description, defaults);
    const text = textFile(input);
    if (text !== null) writeFileSync(join(folder, `${name}.text.json`), JSON.stringify(text));
    // Numbers that fresh adapters begin with are no part of a graph that takes adapters as inputs.
    const read = openModel(output, new Sink()).stamps;
    const data = report.files.filter((file) => file !== output && read.has(file));
    for (const file of report.files) if (file !== output && !read.has(file)) rmSync(file);
    const files = [output, ...data];
    if (text !== null) files.push(join(folder, `${name}.text.json`));
    const entry: Entry = {
      version: 2,
      key,
      name: basename(input),
      graph: `${name}.onnx`,
      text: text === null ? null : `${name}.text.json`,
      files: files.map((file) => fileIn(folder, file)),
      description,
      facts,
      warnings: report.diagnostics.filter(({ severity }) => severity === "warning"),
    };
    writeFileSync(join(folder, ENTRY_FILE), recordText(entry));
    return entries.put(folder, key);
  } finally {
    process.off("exit", remove);
    remove();
  }
}

/** Removes a folder, in which writing that has begun may go on for a moment. */
function removeWritten(folder: string): void {
  for (let tries = 0; ; tries++) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (cause) {
      if (tries === 20) throw cause;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

function fileIn(folder: string, file: string): EntryFile {
  const { size } = statSync(file);
  return { path: relative(folder, file).split(sep).join("/"), size, check: checkOf(file, size) };
}
