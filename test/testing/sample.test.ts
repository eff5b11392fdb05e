import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";

const root = path.resolve(import.meta.dirname, "../..");
const project = path.join(temporaryFolder(), "golden");
const family = (name: string): string => path.join(root, "samples/models/families", name, "model.onnx");
const golden = path.join(project, "test/__golden__/llama2.onnxtxt");

/** The sample as a project of its own, with the packages that it asks for. */
beforeAll(() => {
  cpSync(path.join(root, "samples/golden"), project, { recursive: true });
  mkdirSync(path.join(project, "node_modules/@tokenformer"), { recursive: true });
  symlinkSync(root, path.join(project, "node_modules/@tokenformer/tfc"));
  for (const name of ["jest", "vitest", "onnxruntime-node", "@jest"])
    symlinkSync(path.join(root, "node_modules", name), path.join(project, "node_modules", name));
});

const runners = {
  jest: ["--experimental-vm-modules", "node_modules/jest/bin/jest.js"],
  vitest: ["node_modules/vitest/vitest.mjs", "run"],
};

function run(runner: keyof typeof runners, args: readonly string[], model: string, shipped = model) {
  // What a build server sets counts as --ci.
  const others = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== "CI"));
  const env = { ...others, MODEL: model, SHIPPED: shipped, NO_COLOR: "1", FORCE_COLOR: "0" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...runners[runner], ...args], {
    ...{ cwd: project, encoding: "utf8", env },
  });
  return { status, text: stdout + stderr };
}

describe.each(Object.keys(runners) as (keyof typeof runners)[])("the sample in %s", (runner) => {
  const ci = runner === "jest" ? ["--ci"] : ["--update=none"];

  it("passes with the export that it ships", () => {
    const { status, text } = run(runner, [], family("llama2-dynamo"));
    expect([status, text]).toEqual([0, expect.stringMatching(/2 passed/)]);
  });

  it("fails with an export of another exporter, and says what became of which layer", () => {
    const { status, text } = run(runner, [], family("llama2-torchscript"), family("llama2-dynamo"));
    expect(status).toBe(1);
    expect(text).toContain("the graph differs from");
    expect(text).toMatch(/layers 0 … 1 self_attn: .* became /);
    expect(text).toContain("run the tests with -u");
  });

  it("fails where the graph computes something else", () => {
    const { status, text } = run(runner, [], family("llama2-dynamo"), family("llama-bias-dynamo"));
    expect(status).toBe(1);
    expect(text).toMatch(/computes something else than .*llama-bias-dynamo|VERIFY_INTERFACE/);
  });

  it("writes with -u, then passes, and writes what is missing, but not on a build server", () => {
    const text = readFileSync(golden, "utf8");
    try {
      const updated = run(runner, ["-u"], family("llama2-torchscript"), family("llama2-torchscript"));
      expect([updated.status, updated.text]).toEqual([0, expect.stringMatching(/2 passed/)]);
      expect(readFileSync(golden, "utf8")).not.toBe(text);
      expect(run(runner, [], family("llama2-torchscript")).status).toBe(0);
      rmSync(golden);
      const refused = run(runner, ci, family("llama2-dynamo"));
      expect([refused.status, existsSync(golden)]).toEqual([1, false]);
      expect(refused.text).toContain("there is no golden graph");
      expect(run(runner, [], family("llama2-dynamo")).status).toBe(0);
      expect(readFileSync(golden, "utf8")).toBe(text);
    } finally {
      cpSync(path.join(root, "samples/golden/test/__golden__"), path.dirname(golden), { recursive: true });
    }
  });
});
