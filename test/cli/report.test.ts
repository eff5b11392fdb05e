import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const model = writeModel(folder, "tiny.onnx", tinyDecoder());

describe("tfc report", () => {
  it("writes a page beside the model, and says what is on it", async () => {
    const { status, stdout } = await tfcHere("report", model);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^page .*tiny\.report\.html/);
    expect(stdout).toContain("1 of 1 attention, 1 of 1 MLP understood");
    expect(readFileSync(path.join(folder, "tiny.report.html"), "utf8")).toMatch(/^<!doctype html>/);
  });

  it("prints what the page shows as one object", async () => {
    const output = path.join(folder, "elsewhere", "page.html");
    const { status, stdout } = await tfcHere("report", model, "-o", output, "--json");
    const data = JSON.parse(stdout) as { output: string; summary: object; layers: readonly object[] };
    expect(status).toBe(0);
    expect(data).toMatchObject({ output, summary: { matched: { attention: 1, mlp: 1 } } });
    expect(data.layers).toHaveLength(1);
    expect(existsSync(output)).toBe(true);
  });

  it("shows the curves of the run that the model lies in", async () => {
    const run = path.join(folder, "run");
    mkdirSync(path.join(run, "model"), { recursive: true });
    const inside = writeModel(path.join(run, "model"), "model.onnx", tinyDecoder());
    const lines = [
      { step: 1, loss: 3, learning_rate: 0.1, grad_norm: 1, tokens: 5, tokens_per_second: 9 },
      { step: 1, eval_loss: 2.5, perplexity: 12, eval_tokens: 4 },
      { step: 2, loss: 2, learning_rate: 0.2, grad_norm: 1, tokens: 5, tokens_per_second: 8 },
    ];
    writeFileSync(path.join(run, "metrics.jsonl"), lines.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const { stdout } = await tfcHere("report", inside, "--json");
    const { training } = JSON.parse(stdout) as { training: unknown };
    const [training_, evaluation] = [
      {
        name: "training",
        points: [
          [1, 3],
          [2, 2],
        ],
      },
      { name: "evaluation", points: [[1, 2.5]] },
    ];
    expect(training).toMatchObject({ run: "run", steps: 2, plots: [{ title: "loss" }, {}, {}, {}] });
    const [loss] = (training as { plots: readonly { curves: readonly object[] }[] }).plots;
    expect(loss?.curves).toEqual(expect.arrayContaining([training_, evaluation]));
  });

  it.each([
    ["FILE_NOT_FOUND", ["nowhere.onnx"]],
    ["FILE_NOT_FOUND", [model, "nowhere.onnx"]],
    ["FILE_NOT_FOUND", [model, "--run", folder]],
    ["OUTPUT_IS_INPUT", [model, "-o", model]],
    ["FILE_NOT_WRITABLE", [model, "-o", folder]],
  ] as const)("refuses with %s, and writes nothing", async (code, args) => {
    const before = readdirSync(folder);
    const { status, stderr } = await tfcHere("report", ...args);
    expect(status).toBe(1);
    expect(stderr).toContain(`error ${code}`);
    expect(readdirSync(folder)).toEqual(before);
  });
});
