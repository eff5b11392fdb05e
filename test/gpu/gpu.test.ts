import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { findPartitioner } from "../ops/placement/cuda-stand-in.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();

function run(args: readonly string[], env: NodeJS.ProcessEnv) {
  const script = resolve("test/gpu/run.mjs");
  return spawnSync(process.execPath, [script, ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

const partitioner = findPartitioner();
const title = typeof partitioner === "string" ? ` (SKIPPED, ${partitioner})` : "";
const withPython = typeof partitioner === "string" ? it.skip : it;

describe("npm run test:gpu", () => {
  it("says why it is skipped where there is no CUDA, and succeeds", () => {
    // No programs to be found: neither Python.
    const { status, stdout } = run([], { PATH: folder, PYTHON: join(folder, "python") });
    expect(stdout).toMatch(/^skipped: .*python: .*ENOENT/);
    expect(status).toBe(0);
  });

  withPython(`is skipped where the provider loads and computes nothing${title}`, () => {
    if (typeof partitioner === "string") return;
    const { status, stdout } = run([], { ...partitioner.env, PYTHON: partitioner.python });
    expect(stdout).toMatch(/^skipped: .*(computes nothing|does not load)/);
    expect(status).toBe(0);
  });

  withPython(
    `checks and times small models, here on the CPU${title}`,
    () => {
      if (typeof partitioner === "string") return;
      const args = ["--provider", "cpu", "--tiny", "--out", folder];
      const { stdout } = run(args, { ...partitioner.env, PYTHON: partitioner.python });
      expect(stdout).toContain("Logits in a few steps");
      const { results } = JSON.parse(readFileSync(join(folder, "results.json"), "utf8")) as {
        readonly results: readonly Readonly<Record<string, unknown>>[];
      };
      const parts = new Set(results.map(({ part }) => part));
      expect(parts).toEqual(new Set(["numbers", "paged", "times", "train", "train times"]));
      const lowered = results.find(({ graph }) => graph === "float32, lowered");
      expect(lowered?.["error"]).toBeUndefined();
      expect(Number(lowered?.["difference"])).toBeLessThan(1e-4 * Number(lowered?.["deviation"]));
      const fails = results.filter(
        ({ part, error }) => part !== "numbers" && part !== "times" && error !== undefined,
      );
      expect(fails).toEqual([]);
      const trained = results.filter(({ part }) => part === "train");
      expect(trained).toHaveLength(4);
      for (const { graph, difference } of trained)
        expect(Number(difference)).toBeLessThan(String(graph).startsWith("fp16") ? 0.05 : 1e-3);
    },
    120_000,
  );
});
