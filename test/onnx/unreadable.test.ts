import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import { whileUnreadable } from "../support/unprivileged.ts";
import { loraOf, writeWeights } from "../support/adapters.ts";

const folder = temporaryFolder();
chmodSync(folder, 0o755);
const samples = path.resolve(import.meta.dirname, "../../samples/models");
const q = "model.layers.0.self_attn.q_proj";

/** Runs a command while a file may not be read, and has it name the file and what stands in the way. */
async function expectRefused(file: string, ...args: readonly string[]): Promise<void> {
  // Loads all that the command needs while everything may be read.
  await tfcHere(...args);
  const { status, stderr } = await whileUnreadable(file, () => tfcHere(...args));
  expect(stderr).toContain(`error FILE_NOT_FOUND: cannot open ${file}`);
  expect(stderr).toContain("wanted an existing, readable file, found one that may not be read");
  expect(status).toBe(1);
}

function argsOf(command: string, model: string): readonly string[] {
  return [
    command,
    model,
    ...(command === "compile" ? ["-o", path.join(folder, "out.onnx"), "--rank", "2"] : []),
  ];
}

/** Makes a folder of a copy that a test may close. */
function copyOf(sample: string): string {
  const to = path.join(folder, path.basename(sample));
  cpSync(path.join(samples, sample), to, { recursive: true });
  return to;
}

describe("a model that may not be read", () => {
  const model = copyOf("austen-llama/dynamo");
  const file = path.join(model, "model.onnx");
  const commands = ["compile", "inspect", "dump", "explain"];

  it.each(commands)("is what tfc %s says", async (command) => {
    await expectRefused(file, ...argsOf(command, file));
  });

  it.each(commands)("is what tfc %s says of its data", async (command) => {
    await expectRefused(path.join(model, "model.onnx.data"), ...argsOf(command, file));
  });
});

describe("an adapter that may not be read", () => {
  it.each(["adapter_config.json", "adapter_model.safetensors"])("is what is said of a %s", async (name) => {
    const peft = copyOf("peft/plain");
    await expectRefused(path.join(peft, name), "adapter", "ls", peft);
  });

  it.each(["a.safetensors", "checkpoint_10.pt"])("is what is said of %s", async (name) => {
    const file = path.join(folder, name);
    writeFileSync(file, "bytes that nobody sees");
    await expectRefused(file, "adapter", "ls", file);
  });

  it("is what is said of a checkpoint in a folder", async () => {
    const steps = path.join(folder, "steps");
    mkdirSync(steps);
    const file = path.join(steps, "checkpoint_10.pt");
    writeFileSync(file, "bytes that nobody sees");
    await expectRefused(file, "adapter", "ls", steps);
  });

  it("is what is said of a folder", async () => {
    const closed = path.join(folder, "closed");
    mkdirSync(closed);
    await expectRefused(closed, "adapter", "ls", closed);
  });
});

it("says of logits that they may not be read", async () => {
  const model = path.join(samples, "austen-llama/dynamo/model.onnx");
  const logits = await writeWeights(path.join(folder, "logits.safetensors"), loraOf(q), {});
  await expectRefused(logits, "verify", model, model, "--logits", logits);
});
