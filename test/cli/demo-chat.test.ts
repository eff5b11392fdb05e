import { spawnSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tokenizerFolder } from "../runtime/train/texts.ts";

const root = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples");
const script = path.join(samples, "train-chat/chat.mjs");

const demo = (...args: readonly string[]): ReturnType<typeof spawnSync> & { readonly stdout: string } =>
  spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });

it("fine-tunes a chat model of few bits, asks it before and after, and exports the adapter", () => {
  const model = tokenizerFolder(root);
  cpSync(path.join(samples, "models/austen-llama/dynamo"), model, { recursive: true });
  const { status, stdout, stderr } = demo(model, "--bases", "int4", "--epochs", "1", "--out", root);
  expect(stderr).not.toContain("error");
  expect(status).toBe(0);
  const questions = readFileSync(path.join(samples, "train-chat/questions.txt"), "utf8").trim().split("\n");
  for (const question of questions) expect(stdout.split(`> ${question}\n`)).toHaveLength(3);
  expect(stdout).toContain("--quantize int4");
  expect(filesIn(path.join(root, "int4"))).toEqual(
    expect.arrayContaining([
      "model.quantized.safetensors",
      "peft/adapter_model.safetensors",
      "run/adapter.safetensors",
    ]),
  );
}, 180_000);

it("says what it needs", () => {
  expect(demo()).toMatchObject({ status: 1, stderr: expect.stringContaining("folder of a chat model") });
  expect(demo(root, "--bases", "int3")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("not int3"),
  });
});
