import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { openSafetensors } from "../../../compiler/weights/safetensors/weights.ts";
import { elementsFrom } from "../../../runtime/session/tensor.ts";
import { pythonWith } from "../../onnx/check/python.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { jsonl } from "./texts.ts";

const folder = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../../samples");
const base = path.join(samples, "models/austen-llama/dynamo/model.onnx");
const python = pythonWith("torch.distributed, onnxruntime, tokenizers, safetensors");

/** Rows of 3 to 38 words: means over unequal numbers of labels. Of two batches of 5 the second has 1 row for 2 processes. */
const words = "it is a truth universally acknowledged that a single man must be in want of a wife".split(" ");
const data = jsonl(
  path.join(folder, "texts.jsonl"),
  Array.from({ length: 6 }, (_, i) => ({
    text: [...words, ...words, ...words].slice(i, 2 * i + 3 + 6 * i).join(" "),
  })),
);

function trained(graph: string, processes: number): { readonly stdout: string; readonly file: string } {
  const out = path.join(folder, `run${processes}`);
  const script = path.join(samples, "train-distributed/train.py");
  const options = ["--tokenizer", path.join(samples, "models/austen-llama/tokenizer.json"), "--data", data];
  const run = ["--steps", "4", "--batch", "5", "--out", out, "--device", "cpu", "--check"];
  const torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", String(processes)];
  const { status, stdout, stderr } = spawnSync(
    python ?? "",
    [...torchrun, script, graph, ...options, ...run],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(stderr);
  return { stdout, file: path.join(out, "step-000004.safetensors") };
}

function numbersIn(file: string): Map<string, readonly number[]> {
  const { tensors } = openSafetensors(file);
  return new Map(
    [...tensors].map(
      ([name, tensor]) => [name, [...elementsFrom("float", tensor.bytes())].map(Number)] as const,
    ),
  );
}

(python === null ? it.skip : it)(
  `two processes of the sample train what one does${python === null ? " (SKIPPED, no Python with torch: set TFC_PYTHON to one)" : ""}`,
  async () => {
    const graph = path.join(folder, "model.onnx");
    const entries = [{ kind: "lora", sites: "q_proj,v_proj" } as const];
    await compile({ input: base, output: graph, entries, train: { emit: "grads", base: "norms" } });
    const [one, two] = [1, 2].map((processes) => trained(graph, processes));
    if (one === undefined || two === undefined) throw new Error("no runs");
    const [, apart] = /largest difference [a-z ]+: ([\d.e+-]+) /.exec(two.stdout) ?? [];
    expect(Number(apart)).toBeLessThan(1e-4);
    const [alone, together] = [numbersIn(one.file), numbersIn(two.file)];
    expect([...together.keys()].sort()).toEqual([...alone.keys()].sort());
    const first = numbersIn(path.join(folder, "model.adapters.safetensors"));
    let moved = 0;
    for (const [name, values] of alone) {
      const differences = (other?: readonly number[]): number[] =>
        values.map((value, i) => Math.abs(value - (other?.[i] ?? NaN)));
      // AdamW makes a step of full length of a gradient that is all rounding: no bound on each number is right.
      const mean = (numbers: readonly number[]): number =>
        numbers.reduce((a, b) => a + b, 0) / numbers.length;
      const way = mean(differences(first.get(name)));
      expect(mean(differences(together.get(name)))).toBeLessThan(1e-3 * way);
      moved = Math.max(moved, way);
    }
    expect(moved).toBeGreaterThan(1e-3);
    const output = path.join(folder, "tuned.onnx");
    await compile({ input: base, output, load: [two.file] });
    expect(existsSync(output)).toBe(true);
  },
  300_000,
);
