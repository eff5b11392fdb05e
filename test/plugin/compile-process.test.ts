import { describe, expect, it, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { CompileProcess } from "../../compiler/plugin/compile-process.ts";
import type { Maker } from "../../compiler/plugin/make-entry.ts";
import type { PluginOptions } from "../../compiler/plugin/options.ts";
import { worked, type Work } from "../../compiler/plugin/work.ts";
import { AskedThread, type Answerer } from "../../runtime/threads/asked.ts";
import { NotStarted, startProcess } from "../../runtime/threads/processes.ts";
import { app, build, filesIn, QUERY, run, writer } from "./app.ts";

const script = path.resolve(import.meta.dirname, "../../dist/plugin/compiling.js");
const cacheOf = (root: string): string => path.join(root, "node_modules/.cache/tfc");

/** What making an entry of the sample asks for. */
function entryWork(
  root: string,
  query: string,
  plugin: PluginOptions = { config: false },
): Extract<Work, { kind: "entry" }> {
  const model = path.join(root, "model/dynamo/model.onnx");
  const maker: Maker = { plugin, root, version: "0", known: [], folder: cacheOf(root) };
  return {
    kind: "entry",
    request: { model, query, specifier: `./model.onnx?${query}`, importer: null },
    maker,
  };
}

/** A process, and how many were started. */
function counted(begin: () => Answerer): {
  readonly compiling: CompileProcess;
  readonly started: () => number;
} {
  let count = 0;
  const compiling = new CompileProcess(() => {
    count++;
    return begin();
  });
  return { compiling, started: () => count };
}

async function thrown(act: Promise<unknown>): Promise<TfcError> {
  const error: unknown = await act.then(
    () => null,
    (cause: unknown) => cause,
  );
  if (error instanceof TfcError) return error;
  throw new Error(`no error of tfc: ${String(error)}`);
}

describe("the process that compiles", () => {
  it.each([
    ["tfc&rank=0", { config: false }],
    ["tfc&load=./gone", { config: false }],
    ["tfc&adapter=lora&sites=nowhere", { config: false }],
    ["tfc", { config: "./wrong.config.mjs" }],
    ["tfc", { config: { adapters: [{ kind: "lora", settings: { rank: 0 } }] } }],
    // A model without adapters warns before it fails.
    ["tfc&no-adapters&kv=shared", { config: false }],
  ] as const)("says of %s with %j what compiling says", async (query, plugin) => {
    const root = app({ "wrong.config.mjs": "\nthrow new Error('not today');" });
    const work = entryWork(root, query, plugin);
    const asked = new AskedThread<Work, unknown>({
      begin: () => startProcess(script),
      idle: 50,
      ended: (_, cause) => cause,
    });
    const [inProcess, across] = [await thrown(worked(work)), await thrown(asked.ask(work))];
    const { kind, message, diagnostics, warnings, exitCode } = inProcess;
    expect(across).toMatchObject({ kind, message, exitCode });
    expect(across.diagnostics).toEqual(diagnostics);
    expect(across.warnings).toEqual(warnings);
    expect(readdirSync(root)).not.toContain(path.join("node_modules", ".cache"));
  });

  it("makes what compiling makes, and prints the same types", async () => {
    const [one, two] = [app({}), app({})];
    const { compiling, started } = counted(() => startProcess(script));
    const work = entryWork(one, QUERY.slice(1));
    const across = await compiling.entry(work.request, work.maker);
    const graph = across.entry.description;
    const types = await compiling.types(graph);
    expect(started()).toBe(1);
    expect(types).toBe(await worked({ kind: "types", graph }));
    const inProcess = await worked(entryWork(two, QUERY.slice(1)));
    if (typeof inProcess === "string") throw new Error("an entry");
    expect(across.entry.key).toBe(inProcess.entry.key);
    expect(filesIn(across.entry.folder)).toEqual(filesIn(inProcess.entry.folder));
  });

  it("is done without where none can be started, and where a configuration is no plain data", async () => {
    const none = counted(() => {
      throw new NotStarted("none");
    });
    const work = entryWork(app({}), QUERY.slice(1));
    expect(existsSync((await none.compiling.entry(work.request, work.maker)).entry.folder)).toBe(true);
    expect(none.started()).toBe(1);
    const broken = path.join(work.maker.root, "broken.mjs");
    writeFileSync(broken, "process.exit(1);");
    const ending = counted(() => startProcess(broken));
    expect(
      await ending.compiling.types((await none.compiling.entry(work.request, work.maker)).entry.description),
    ).toContain("export interface Inputs");
    expect(ending.started()).toBe(1);
    // It would not arrive.
    const settings = { rank: () => 4 } as unknown as Record<string, number>;
    const config = { adapters: [{ kind: "lora" as const, settings }] };
    const { request, maker } = entryWork(app({}), "tfc", { config });
    expect(await thrown(none.compiling.entry(request, maker))).toMatchObject({ code: "OPTION_OUT_OF_RANGE" });
    expect(none.started()).toBe(2);
  });
});

test("a configuration that ends the process fails the build, and leaves nothing", () => {
  const root = writer(`${QUERY}&config=../../ends.config.mjs`);
  writeFileSync(path.join(root, "ends.config.mjs"), "process.exit(3);");
  const { status, output } = build("rolldown", root);
  expect(status).not.toBe(0);
  expect(output).toContain("error BUILD_COMPILER_ENDED");
  expect(output).toContain("found the process ended with status 3");
  expect(existsSync(cacheOf(root))).toBe(false);
});

test("a configuration that waits for what never comes fails the build", () => {
  const root = writer();
  writeFileSync(path.join(root, "tfc.config.mjs"), "await new Promise(() => {}); export default {};");
  const { status, output } = build("rollup", root);
  expect(status).not.toBe(0);
  expect(output).toContain("error CONFIG_INVALID");
  expect(output).toContain("a module that waits for what never comes");
  expect(filesIn(root).filter((name) => name.includes(".making-"))).toEqual([]);
});

test("a build that is killed takes the process with it, which takes away what it has half written", async () => {
  const root = writer();
  const settings = JSON.stringify({ root, out: path.join(root, "out") });
  const child = spawn(process.execPath, [
    path.join(import.meta.dirname, "build-app.mjs"),
    "rollup",
    settings,
  ]);
  const making = (): string | undefined =>
    existsSync(cacheOf(root))
      ? readdirSync(cacheOf(root)).find((name) => name.startsWith(".making-"))
      : undefined;
  const until = async <T>(look: () => T | undefined | false): Promise<T> => {
    for (const start = Date.now(); Date.now() - start < 60_000;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error("waited for a minute");
  };
  const pid = Number(/^\.making-(\d+)-/.exec(await until(making))?.[1]);
  expect(pid).not.toBe(child.pid);
  child.kill("SIGKILL");
  await until(() => making() === undefined);
  expect(build("rollup", root)).toMatchObject({ status: 0 });
  expect(run(root)).toMatchObject({ slots: 12 });
});
