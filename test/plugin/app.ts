import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { temporaryFolder } from "../support/folder.ts";

const repository = path.resolve(import.meta.dirname, "../..");
const packages = ["onnxruntime-node", "onnxruntime-web", "onnxruntime-common"];
const folders = temporaryFolder();
let count = 0;

/** Bundlers that have an entry of their own. */
export const bundlers = ["vite", "rollup", "rolldown", "webpack", "rspack", "esbuild"] as const;
export type BundlerName = (typeof bundlers)[number];

/** The query that the sample is compiled with. */
export const QUERY = "?tfc&adapter=lora&rank=4&adapters=inputs";

/** A project with the small Llama in it, and files of its own: main.js prints what it finds as JSON. */
export function app(files: Readonly<Record<string, string>>): string {
  const root = path.join(folders, String(count++));
  const austen = path.join(repository, "samples/models/austen-llama");
  mkdirSync(path.join(root, "node_modules"), { recursive: true });
  cpSync(path.join(austen, "dynamo"), path.join(root, "model/dynamo"), { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"])
    cpSync(path.join(austen, name), path.join(root, "model", name));
  for (const name of packages)
    symlinkSync(path.join(repository, "node_modules", name), path.join(root, "node_modules", name));
  writeFileSync(path.join(root, "package.json"), '{ "type": "module", "private": true }');
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(root, name), content);
  return root;
}

/** A project that compiles the sample with a query, and lets it write. */
export function writer(query = QUERY): string {
  return app({
    "main.js": [
      `import model from "./model/dynamo/model.onnx${query}";`,
      `const session = await model.createSession();`,
      `const { ids, text } = await session.generate({ prompt: "It is a truth", maxNewTokens: 12 }).result();`,
      `console.log(JSON.stringify({ ids, text, inputs: model.inputs.length, slots: model.adapters.length }));`,
    ].join("\n"),
  });
}

/** Makes the graph of an app larger than what goes through a bundler: what it says of itself is of 17 MiB. */
export function enlarge(root: string): void {
  const text = Buffer.alloc(17 * 2 ** 20, " ");
  const length = [0, 7, 14, 21].map((shift) => ((text.length >> shift) & 127) | (shift < 21 ? 128 : 0));
  // ModelProto.doc_string
  appendFileSync(path.join(root, "model/dynamo/model.onnx"), Buffer.from([0x32, ...length]));
  appendFileSync(path.join(root, "model/dynamo/model.onnx"), text);
}

/** What a build's process gave. */
export interface Built {
  readonly status: number | null;
  readonly output: string;
  readonly milliseconds: number;
}

/** How an app is built; see build-app.mjs. */
export interface BuildSettings {
  readonly out?: string;
  readonly plugin?: object;
  readonly target?: "node" | "browser";
  readonly write?: boolean;
  readonly format?: "esm" | "cjs";
  readonly entry?: string;
}

/** Builds an app. */
export function build(bundler: BundlerName, root: string, settings: BuildSettings = {}): Built {
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      path.join(import.meta.dirname, "build-app.mjs"),
      bundler,
      JSON.stringify({ root, out: path.join(root, "out"), ...settings }),
    ],
    { encoding: "utf8", env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" } },
  );
  return { status, output: stdout + stderr, milliseconds: performance.now() - start };
}

/** Runs what was built. @returns what it printed */
export function run(root: string, file = "out/main.js"): unknown {
  const { stdout, stderr } = spawnSync(process.execPath, [path.join(root, file)], { encoding: "utf8" });
  try {
    return JSON.parse(stdout);
  } catch {
    return stdout + stderr;
  }
}

/** Paths of the files of a folder, sorted. */
export function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => path.relative(folder, path.join(one.parentPath, one.name)))
    .sort();
}
