import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { TrainLog } from "../../compiler/cli/train-log.ts";
import { trainProgress } from "../../compiler/cli/train-progress.ts";
import type { TrainEvent } from "../../runtime/train/options.ts";
import { jsonl, tokenizerFolder } from "../runtime/train/texts.ts";
import { tinyTrainingGraph } from "../runtime/train/tiny-graph.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tfc, tfcHere } from "../support/tfc.ts";

const root = temporaryFolder();
const script = path.resolve(import.meta.dirname, "../../bin/tfc.js");
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
    expect(status).toBe(0);
    // Without a terminal: whoever follows the log sees the run go on.
    const number = String.raw`\d+\.\d+`;
    expect(stderr).toMatch(
      new RegExp(
        [
          "^loading the graph",
          `step 0/4  evaluation ${number}, perplexity ${number}`,
          `step 1/4  loss ${number}  [\\d,]+ tokens/s  \\d+ s left`,
          `step 1/4  evaluation ${number}, perplexity ${number}, the best so far`,
          `saved ${path.join(folder, "checkpoints", "step-000001.safetensors")}\n`,
        ].join("\n"),
      ),
    );
    expect(stderr).toContain(`saved ${path.join(folder, "checkpoints", "step-000004.safetensors")}\n`);
    for (const control of ["\r", "\u001b"]) expect(stderr).not.toContain(control);
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
    const { status, stdout, stderr } = await tfcHere(
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
      "--quiet",
    );
    expect(status).toBe(0);
    expect(stderr).toBe("");
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

  describe("in a process that is told to end", () => {
    /** Runs until the first step is said, has a signal sent then, and gives how it ended. */
    const sent = async (
      name: NodeJS.Signals,
      steps: string,
    ): Promise<{ folder: string; signal: string | null; status: number | null; stdout: string }> => {
      const folder = out();
      const args = ["train", graph, "--data", data, "--out", folder, "--length", "32", "--steps", steps];
      const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
      let [stdout, stderr, isSent] = ["", "", false];
      child.stdout.on("data", (text) => (stdout += String(text)));
      child.stderr.on("data", (text) => {
        stderr += String(text);
        if (!isSent && /^step 1\//m.test(stderr)) isSent = child.kill(name);
      });
      const [status, signal] = await new Promise<[number | null, string | null]>((resolve) => {
        child.on("close", (...how) => {
          resolve(how);
        });
      });
      return { folder, status, signal, stdout };
    };

    it("saves what it has, and ends as that signal does", async () => {
      const { folder, signal, stdout } = await sent("SIGTERM", "1000000");
      expect(signal).toBe("SIGTERM");
      expect(stdout).toMatch(/^steps +[\d,]+ of 1,?000,?000, interrupted: --resume goes on/);
      expect(filesIn(path.join(folder, "checkpoints"))).toHaveLength(1);
    });

    it("goes on where a terminal is closed that it does not write to", async () => {
      const { signal, status, stdout } = await sent("SIGHUP", "60");
      expect([signal, status]).toEqual([null, 0]);
      expect(stdout).toMatch(/^steps +60 of 60\n/);
    });
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
    [
      "weights in the graphs",
      ["--data", "d.jsonl", "--out", "x", "--weights", "inline"],
      /OPTION_UNKNOWN_VALUE: --weights does not know "inline"\n {2}wanted one of link, copy,/,
    ],
    [
      "adapters that are multiplied by 0",
      ["--data", "d.jsonl", "--out", "x", "--adapter", "lora", "--alpha", "0"],
      /OPTION_OUT_OF_RANGE: --alpha is out of range\n {2}wanted a number above 0, found 0/,
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

describe("the log of a run without a terminal", () => {
  const stepAt = (step: number, steps: number): TrainEvent => ({
    kind: "step",
    steps,
    secondsLeft: steps - step,
    metrics: {
      ...{ step, epoch: 0, loss: 2.5, learning_rate: 1, grad_norm: 1, tokens: 9, tokens_per_second: 1204 },
    },
  });
  /** What is written of so many steps, each of which takes so long, in milliseconds. */
  const logOf = (steps: number, duration: number, saved: number[] = []): string[] => {
    const lines: string[] = [];
    let time = 0;
    const log = new TrainLog(
      (line) => lines.push(line),
      () => time,
    );
    for (let step = 1; step <= steps; step++) {
      time += duration;
      log.update(stepAt(step, steps));
      if (saved.includes(step)) log.update({ kind: "saved", file: `step-${step}`, step });
    }
    return lines;
  };

  it("has the first step, and one for each twentieth of them", () => {
    const lines = logOf(1000, 100);
    expect(lines[0]).toBe("step 1/1000  loss 2.500  1,204 tokens/s  16 min 39 s left");
    expect(lines.map((line) => Number(/^step (\d+)/.exec(line)?.[1]))).toEqual(
      Array.from({ length: 20 }, (_, i) => 1 + 50 * i),
    );
  });

  it.each([
    ["a second apart where steps are fast", 100, 20, 2],
    ["half a minute apart where they are slow", 1000, 10_000, 334],
    ["each of them where one takes longer than that", 30, 40_000, 30],
  ])("has lines %s", (_, steps, duration, count) => {
    expect(logOf(steps, duration)).toHaveLength(count);
  });

  it("has a checkpoint behind the line of its step, one a second, and the last one", () => {
    expect(logOf(100, 100, [2, 3, 20, 99, 100]).filter((line) => !line.startsWith("step 1/"))).toEqual([
      expect.stringMatching(/^step 2\//),
      "saved step-2",
      expect.stringMatching(/^step 12\//),
      expect.stringMatching(/^step 20\//),
      "saved step-20",
      ...[30, 40, 50, 60, 70, 80, 90].map((n) => expect.stringMatching(new RegExp(`^step ${n}/`))),
      expect.stringMatching(/^step 99\//),
      "saved step-99",
      expect.stringMatching(/^step 100\//),
      "saved step-100",
    ]);
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
      steps: 12,
      isBest: true,
    });
    progress.update({ kind: "step", metrics, steps: 12, secondsLeft: 125 });
    expect(shown).toContain(
      `${"█".repeat(12)}${"░".repeat(12)}  6/12  loss 2.500  eval 3.250  1,204 tokens/s  2 min 5 s left`,
    );
    progress.end();
    expect(shown.endsWith("\r")).toBe(true);
  });

  it("is lines where there is no terminal", () => {
    let shown = "";
    const progress = trainProgress({ write: (text) => (shown += text) });
    progress.update({ kind: "loading" });
    progress.end();
    expect(shown).toBe("loading the graph\n");
  });
});

it("is one of the commands", async () => {
  expect((await tfcHere("--help")).stdout).toMatch(/\n {2}train \[options\] <model>/);
  expect(readFileSync(path.join(model, "config.json"), "utf8")).toContain("512");
});
