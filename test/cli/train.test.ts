import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { trainProgress } from "../../compiler/cli/train-progress.ts";
import { jsonl, tokenizerFolder } from "../runtime/train/texts.ts";
import { tinyTrainingGraph } from "../runtime/train/tiny-graph.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tfc, tfcHere } from "../support/tfc.ts";

const root = temporaryFolder();
const model = path.join(root, "model");
const data = jsonl(
  path.join(root, "texts.jsonl"),
  Array.from({ length: 40 }, (_, i) => ({ text: `Emma is ${i} and handsome, clever, and rich.` })),
);
let [graph, count] = ["", 0];
const out = (): string => path.join(root, `run${count++}`);

beforeAll(async () => {
  graph = await tinyTrainingGraph(model);
  cpSync(tokenizerFolder(root), model, { recursive: true });
});

const usual = ["--steps", "4", "--length", "32", "--lr", "0.05"];

describe("tfc train", () => {
  it("trains in a process of its own, and says what came of it", () => {
    const folder = out();
    const { status, stdout, stderr } = tfc(["train", graph, "--data", data, "--out", folder, ...usual]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^steps {7}4 of 4\ntrained {5}144 parameters, on cpu\nexamples {4}38 to train on, 2 to evaluate on; /,
    );
    expect(stdout).toMatch(
      /\nloss {8}\d+\.\d{4} at first, \d+\.\d{4} at last\nevaluation {2}\d+\.\d{4}, perplexity /,
    );
    expect(stdout).toContain(`adapter     ${path.join(folder, "adapter.safetensors")}`);
    expect(filesIn(folder)).toContain("index.html");
  });

  it("prints one object with --json, and takes several files and lists of them", async () => {
    const more = path.join(root, "more.txt");
    writeFileSync(more, "It is a truth universally acknowledged. ".repeat(20));
    const { status, stdout } = await tfcHere(
      "train",
      graph,
      "--data",
      data,
      more,
      "--data",
      data,
      "--out",
      out(),
      ...usual,
      "--json",
      "--pad",
      "--eval-split",
      "0",
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      step: 4,
      steps: 4,
      packing: "pad",
      evaluation: null,
      best: null,
      interrupted: false,
    });
    expect((JSON.parse(stdout) as { examples: { train: number } }).examples.train).toBeGreaterThan(80);
  });

  it("goes on with --resume, and names settings by their flags where they differ", async () => {
    const folder = out();
    const all = ["train", graph, "--data", data, "--out", folder, ...usual];
    await tfcHere(...all);
    expect((await tfcHere(...all)).stderr).toMatch(
      /TRAIN_OUT_USED[^]*fix: give --resume to go on with it, or another --out/,
    );
    expect((await tfcHere(...all, "--resume")).status).toBe(0);
    const other = await tfcHere(...all.slice(0, -1), "0.1", "--resume", "--weight-decay", "0.5");
    expect(other.status).toBe(1);
    expect(other.stderr).toMatch(
      /wanted --lr 0\.05, --weight-decay 0\.01, found --lr 0\.1, --weight-decay 0\.5\n/,
    );
  });

  it.each<[string, readonly string[], RegExp]>([
    ["no data", ["--out", "x"], /USAGE: .*give --data/],
    ["no folder", ["--data", "d.jsonl"], /USAGE: .*give --out/],
    [
      "both ways to make rows",
      ["--data", "d.jsonl", "--out", "x", "--pack", "--pad"],
      /OPTION_CONFLICT: --pack does not go with --pad/,
    ],
    [
      "both lengths of a run",
      ["--data", "d.jsonl", "--out", "x", "--steps", "1", "--epochs", "1"],
      /OPTION_CONFLICT: --steps does not go with --epochs/,
    ],
    [
      "a learning rate of 0",
      ["--data", "d.jsonl", "--out", "x", "--lr", "0"],
      /OPTION_OUT_OF_RANGE: --lr is out of range\n {2}wanted a number above 0/,
    ],
    [
      "everything held back",
      ["--data", "d.jsonl", "--out", "x", "--eval-split", "1"],
      /OPTION_OUT_OF_RANGE: --eval-split/,
    ],
    [
      "an unknown schedule",
      ["--data", "d.jsonl", "--out", "x", "--schedule", "step"],
      /OPTION_UNKNOWN_VALUE[^]*cosine, linear, constant/,
    ],
    [
      "data that are not there",
      ["--data", "none.jsonl", "--out", "x"],
      /FILE_NOT_FOUND: cannot open none\.jsonl/,
    ],
    ["data of another kind", ["--data", "d.xml", "--out", "x"], /TRAIN_DATA_FILE/],
    [
      "adapters of a graph that has its own",
      ["--data", "d.jsonl", "--out", "x", "--adapter", "lora"],
      /OPTION_CONFLICT: --adapter does not go with a graph that is compiled already/,
    ],
  ])("refuses %s, and writes nothing", async (_, flags, message) => {
    const before = filesIn(root);
    const { status, stderr } = await tfcHere("train", graph, ...flags);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
    expect(filesIn(root)).toEqual(before);
  });
});

describe("the line of a terminal", () => {
  it("shows bar, loss, speed and the time that is left, and goes", () => {
    let shown = "";
    const progress = trainProgress({ isTTY: true, columns: 120, write: (text) => (shown += text) });
    const metrics = {
      step: 6,
      epoch: 0.5,
      loss: 2.5,
      learning_rate: 1,
      grad_norm: 1,
      tokens: 9,
      tokens_per_second: 1204,
    };
    progress.update({ kind: "reading", file: "a/b.jsonl", done: 1, total: 4 });
    expect(shown).toContain("reading b.jsonl  25%");
    progress.update({
      kind: "evaluation",
      metrics: { step: 0, epoch: 0, eval_loss: 3.25, perplexity: 1, eval_tokens: 1 },
      isBest: true,
    });
    progress.update({ kind: "step", metrics, steps: 12, secondsLeft: 125 });
    expect(shown).toContain(
      `${"█".repeat(12)}${"░".repeat(12)}  6/12  loss 2.500  eval 3.250  1204 tokens/s  2 min 5 s left`,
    );
    progress.end();
    expect(shown.endsWith("\r")).toBe(true);
  });

  it("is nothing where there is no terminal", () => {
    let shown = "";
    const progress = trainProgress({ write: (text) => (shown += text) });
    progress.update({ kind: "loading" });
    progress.end();
    expect(shown).toBe("");
  });
});

it("is one of the commands", async () => {
  expect((await tfcHere("--help")).stdout).toMatch(/\n {2}train \[options\] <model>/);
  expect(readFileSync(path.join(model, "config.json"), "utf8")).toContain("512");
});
