import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { filesIn, temporaryFolder } from "../support/folder.ts";

const root = temporaryFolder();
const script = path.resolve(import.meta.dirname, "../../samples/train/train.mjs");

interface Line {
  readonly step: number;
  readonly loss?: number;
  readonly eval_loss?: number;
}

it("shows in the demo of training that the loss falls and the text changes", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--steps", "8", "--out", root], {
    encoding: "utf8",
  });
  expect(stderr).toContain("step 8/8  loss ");
  expect(status).toBe(0);
  const run = path.join(root, "run");
  const metrics = readFileSync(path.join(run, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const losses = metrics.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
  const evaluations = metrics.flatMap(({ eval_loss: loss }) => (loss === undefined ? [] : [loss]));
  expect(losses).toHaveLength(8);
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) - 0.5);
  expect(evaluations.at(-1)).toBeLessThan((evaluations[0] ?? 0) - 0.5);
  for (const file of ["adapter.safetensors", "best.safetensors", "index.html", "loss.svg"])
    expect(filesIn(run)).toContain(file);

  const texts = stdout.match(/^ {2}It is a truth universally acknowledged, that .*$/gm);
  expect(texts).toHaveLength(2);
  expect(texts?.[0]).not.toBe(texts?.[1]);
  expect(stdout).toContain(`${path.join(run, "loss.svg")}     the plot of the loss`);
}, 180_000);
