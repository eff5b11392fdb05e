import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";

const root = path.resolve(import.meta.dirname, "../..");
const project = path.join(temporaryFolder(), "project");
const sample = path.join(root, "samples/models/austen-llama/torchscript/model.onnx");

function run(command: string, args: readonly string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: project, encoding: "utf8" });
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

it("a checkout has the command where npx looks first", () => {
  expect(existsSync(path.join(root, "node_modules/.bin/tfc"))).toBe(true);
});
