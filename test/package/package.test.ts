import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";

const root = path.resolve(import.meta.dirname, "../..");
const project = path.join(temporaryFolder(), "project");
const sample = path.join(root, "samples/models/austen-llama/torchscript/model.onnx");

function run(
  command: string,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): { status: number | null; text: string } {
  // Nothing that says of which service a test is: runners write no golden file where they are told of one.
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, NO_COLOR: "1", FORCE_COLOR: "0", ...more };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: project, encoding: "utf8", env });
  return { status, text: stdout + stderr };
}

function write(name: string, text: string): void {
  writeFileSync(path.join(project, name), text);
}

/** A project that has nothing but the package, as `npm install` puts it there: without onnxruntime-node. */
beforeAll(() => {
  mkdirSync(project);
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
    cwd: root,
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  write("package.json", JSON.stringify({ name: "project", private: true }));
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
  execFileSync("npm", ["install", ...quiet, `./${filename}`], { cwd: project, stdio: "pipe" });
  cpSync(sample, path.join(project, "model.onnx"));
});

describe("the package in an empty project", () => {
  it("brings no onnxruntime-node, whose install script needs more than the registry", () => {
    expect(existsSync(path.join(project, "node_modules/onnxruntime-node"))).toBe(false);
  });

  it("has no script that npm would run, and warns of, when it is installed", () => {
    const file = path.join(project, "node_modules/@tokenformer/tfc/package.json");
    const { scripts } = JSON.parse(readFileSync(file, "utf8")) as { scripts: Record<string, string> };
    const lifecycle = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare"];
    expect(lifecycle.filter((name) => name in scripts)).toEqual([]);
  });

  it("is imported as ESM, and compiles", () => {
    write(
      "use.mjs",
      `import { compile, convertAdapter, explain, grow, inspect, listAdapter, TfcError } from "@tokenformer/tfc";
import { defineConfig } from "@tokenformer/tfc/config";
import { openSession } from "@tokenformer/tfc/runtime";
const { adapters } = await compile({ input: "model.onnx", output: "esm.onnx" });
const missing = await compile({ input: "none.onnx" }).catch((error) => error);
const { matched } = inspect("model.onnx");
await convertAdapter({ input: "esm.adapters.safetensors", output: "esm.pt" });
await grow({ input: "esm.pt", output: "grown.safetensors", sizes: { rank: "2x" } });
const ranks = new Set(listAdapter("grown.safetensors").parts.map(({ settings }) => settings.rank));
console.log(...ranks);
console.log(matched.attention, explain("model.onnx").blocks.length);
console.log(adapters, missing instanceof TfcError, typeof defineConfig, typeof openSession);
`,
    );
    expect(run(process.execPath, ["use.mjs"])).toEqual({
      status: 0,
      text: "64\n6 12\n12 true function function\n",
    });
  });

  it("is required as CommonJS", () => {
    write(
      "use.cjs",
      `const { compile } = require("@tokenformer/tfc");
compile({ input: "model.onnx", output: "cjs.onnx" }).then(({ adapters }) => console.log(adapters));
`,
    );
    const { status, text } = run(process.execPath, ["--disable-warning=ExperimentalWarning", "use.cjs"]);
    expect([status, text]).toEqual([0, "12\n"]);
  });

  it.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])("has types for strict TypeScript, module %s, resolution %s", (module, moduleResolution) => {
    write(
      "use.mts",
      `import { compile, type CompileOptions, type CompileReport, explain, inspect, TfcError } from "@tokenformer/tfc";
import { defineConfig, type TfcConfig } from "@tokenformer/tfc/config";
import { openSession } from "@tokenformer/tfc/runtime";
const options: CompileOptions = { input: "model.onnx", adapter: "lora" };
const report: Promise<CompileReport> = compile(options);
export const config: TfcConfig = defineConfig({ adapters: [{ kind: "scalarlm", sites: "mlp" }] });
export const used: unknown[] = [report, TfcError, openSession, inspect, explain];
// @ts-expect-error an option that there is not
export const wrong: CompileOptions = { input: "model.onnx", adaptr: "lora" };
`,
    );
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: "es2023",
      module,
      moduleResolution,
      types: [],
    };
    write("tsconfig.json", JSON.stringify({ compilerOptions, include: ["use.mts"] }));
    expect(run(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "."])).toEqual({
      status: 0,
      text: "",
    });
  });

  it("has the command, which asks for onnxruntime-node where it runs a graph", () => {
    const command = path.join(project, "node_modules/.bin/tfc");
    expect(run(command, ["inspect", "model.onnx"]).text).toContain("attention    6 of 6 understood");
    const { status, text } = run(command, ["verify", "model.onnx", "esm.onnx"]);
    expect(status).toBe(1);
    expect(text).toMatch(/error RUNTIME_MISSING[^]*npm install onnxruntime-node/);
  });
});

/** What it goes with is the checkout's, itself it is the one that was packed: its own files are nowhere else to be found. */
describe("the package beside other tools", () => {
  const tools = ["onnxruntime-node", "onnxruntime-web", "onnxruntime-common", "jest", "vitest", "vite"];
  const module = (name: string): string => path.join(project, "node_modules", name);

  beforeAll(() => {
    mkdirSync(module("@jest"));
    for (const name of [...tools, "@jest/globals"])
      symlinkSync(path.join(root, "node_modules", name), module(name));
    expect(run(module(".bin/tfc"), ["compile", "model.onnx", "-o", "compiled.onnx"])).toMatchObject({
      status: 0,
    });
  });

  it("writes bindings with which strict TypeScript finds what is misspelt, and adapters of another size", () => {
    const options = [
      "--adapter",
      "lora",
      "--adapters",
      "inputs",
      "--sites",
      "mlp",
      "--bindings",
      "bound/llama.ts",
    ];
    const command = module(".bin/tfc");
    expect(run(command, ["compile", "model.onnx", "-o", "bound/model.onnx", ...options])).toMatchObject({
      status: 0,
    });
    write(
      "bound/use.ts",
      `import { Tensor } from "onnxruntime-node";
import { adapterInputs, tensor, type Adapter, type Inputs } from "./llama.ts";
const ids = tensor(Tensor, "input_ids", BigInt64Array.of(1n), [1, 1]);
export const right: Partial<Inputs> = { input_ids: ids };
// @ts-expect-error misspelt
export const misspelt: Partial<Inputs> = { input_idz: ids };
const adapter: Adapter<"model.layers.3.mlp", 4> = {
  "lora_A.weight": { dims: [4, 128], data: new Float32Array(512) },
  "lora_B.weight": { dims: [128, 4], data: new Float32Array(512) },
  scaling: { dims: [1], data: Float32Array.of(2) },
};
export const inputs = adapterInputs(Tensor, { "model.layers.3.mlp": adapter });
export const narrow: Adapter<"model.layers.3.mlp", 4> = {
  ...adapter,
  // @ts-expect-error too narrow
  "lora_A.weight": { dims: [4, 64], data: new Float32Array(256) },
};
`,
    ); // prettier-ignore
    const compilerOptions = { strict: true, noEmit: true, allowImportingTsExtensions: true, types: [] };
    const modules = { target: "es2023", module: "nodenext", moduleResolution: "nodenext" };
    write("bound/tsconfig.json", JSON.stringify({ compilerOptions: { ...compilerOptions, ...modules } }));
    const tsc = path.join(root, "node_modules/typescript/bin/tsc");
    expect(run(process.execPath, [tsc, "-p", "bound"])).toEqual({ status: 0, text: "" });
  });

  it.each([
    ["jest", ["--experimental-vm-modules", "node_modules/jest/bin/jest.js"], ["--ci"], "@jest/globals"],
    ["vitest", ["node_modules/vitest/vitest.mjs", "run", "--dir", "vitest"], [], "vitest"],
  ])("has matchers for %s, which write a golden graph and hold another against it", (name, start, ci, globals) => {
    mkdirSync(path.join(project, name));
    cpSync(path.join(root, "samples/models/austen-llama/dynamo"), path.join(project, name, "dynamo"), {
      recursive: true,
    });
    const matches = name === "jest" ? ["<rootDir>/jest/*.test.mjs"] : [];
    write("jest.config.json", JSON.stringify({ testMatch: matches, transform: {} }));
    write(
      `${name}/graph.test.mjs`,
      `import { expect, test } from "${globals}";
import "@tokenformer/tfc/${name}";
test("the graph", async () => {
  expect(process.env.MODEL).toMatchGoldenGraph("llama");
  expect(process.env.MODEL).toRunOn("cpu");
  await expect("compiled.onnx").toComputeLike(process.env.MODEL);
}, 60_000);
`,
    );
    const held = (model: string, more: readonly string[], env: NodeJS.ProcessEnv) =>
      run(process.execPath, [...start, ...more], { MODEL: model, ...env });
    expect(held("model.onnx", [], {})).toMatchObject({ status: 0, text: expect.stringMatching(/1 passed/) });
    expect(existsSync(path.join(project, name, "__golden__/llama.onnxtxt"))).toBe(true);
    const other = held(`${name}/dynamo/model.onnx`, ci, { CI: "1" });
    expect(other).toMatchObject({ status: 1, text: expect.stringMatching(/layers 0 … 5 .*became/) });
    expect(held("model.onnx", ci, { CI: "1" })).toMatchObject({ status: 0 });
  }); // prettier-ignore

  it("is a build step of vite", () => {
    write("index.html", '<script type="module" src="/page.js"></script>');
    write("page.js", `import model from "./model.onnx?tfc&adapter=lora&adapters=inputs"; console.log(model.url, model.createSession);`); // prettier-ignore
    const config = `import tfc from "@tokenformer/tfc/vite";\nexport default { plugins: [tfc()] };\n`;
    write("vite.config.mjs", config);
    const { status, text } = run(process.execPath, ["node_modules/vite/bin/vite.js", "build"]);
    expect([status, text]).toEqual([0, expect.stringContaining("dist/index.html")]);
    const files = readdirSync(path.join(project, "dist/assets")).join("\n");
    for (const name of [/^model-\w+\.onnx$/m, /^ort-wasm.*\.wasm$/m, /^index-.*\.js$/m])
      expect(files).toMatch(name);
    expect(readFileSync(path.join(project, "tfc-env.d.ts"), "utf8")).toContain("readonly input_ids: Int64;");
  });
});

it("a checkout has the command where npx looks first", () => {
  expect(existsSync(path.join(root, "node_modules/.bin/tfc"))).toBe(true);
});
