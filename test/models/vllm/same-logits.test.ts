import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { adapterFile, compile } from "../../../compiler/compile/compile.ts";
import { readSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { random } from "../../../runtime/session/random.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { graphOf, oracleTensor } from "../../runtime/oracle.ts";
import { temporaryFolder } from "../../support/folder.ts";
import {
  difference,
  exportOf,
  exports,
  HfRunner,
  loweredExport,
  PagedRunner,
  type Logits,
} from "./serving.ts";

const folder = temporaryFolder();
const hf = path.join(folder, "hf", "model.onnx");
const vllm = (name: string): string => path.join(folder, name, "model.onnx");

/** What PyTorch and HF agree on; the adapters' own arithmetic rounds a little more. */
const TOLERANCE = 1e-4;

/** Two texts of different length. */
const tokensOf = (name: string): readonly number[] =>
  Array.from(oracleTensor(name).data as BigInt64Array, Number);
const [first, second] = [tokensOf("truth.0.input_ids"), tokensOf("dialogue.0.input_ids")];

/** Writes numbers as a trained adapter has them over the leaves that begin as zeros. */
function train(file: string): void {
  const bytes = readFileSync(file);
  for (const [name, { offset, length }] of readSafetensors(file).tensors) {
    if (!name.endsWith("tokenformer_p")) continue;
    const stream = random(7, name);
    for (let at = offset; at < offset + length; at += 4) bytes.writeFloatLE(0.5 * stream.normal(), at);
  }
  writeFileSync(file, bytes);
}

async function withSessions<T>(
  files: readonly string[],
  act: (sessions: Session[]) => Promise<T>,
): Promise<T> {
  const sessions = await Promise.all(files.map((file) => openSession(file, { threads: 1 })));
  try {
    return await act(sessions);
  } finally {
    for (const session of sessions) await session.close();
  }
}

const runners = ([a, b]: Session[]): readonly [HfRunner, PagedRunner] => {
  if (a === undefined || b === undefined) throw new Error("two sessions");
  return [new HfRunner(a), new PagedRunner(b, 4, 32)];
};

beforeAll(async () => {
  await compile({ input: graphOf("dynamo"), output: hf, weights: "copy" });
  for (const name of exports) {
    await compile({ input: exportOf(name), output: vllm(name), weights: "copy", lowerPagedAttention: true });
  }
});

it.each(exports)("the HF-style and the %s export are compiled to the same leaves, byte for byte", (name) => {
  expect(readFileSync(adapterFile(vllm(name))).equals(readFileSync(adapterFile(hf)))).toBe(true);
});

describe.each(exports)("the %s export", (name) => {
  it("computes what the HF-style export computes, before and after an adapter is put in", async () => {
    const bases = [graphOf("dynamo"), loweredExport(folder, name)];
    const plain = await withSessions(bases, async (sessions) => {
      const [one, other] = runners(sessions);
      const want = await one.run([["a", first]]);
      expect(difference(want, await other.run([["a", first]]))).toBeLessThan(TOLERANCE);
      return want;
    });
    train(adapterFile(hf));
    copyFileSync(adapterFile(hf), adapterFile(vllm(name)));
    const adapted = await withSessions([hf, vllm(name)], async (sessions) => {
      const [one, other] = runners(sessions);
      const both = async (...steps: Parameters<HfRunner["run"]>[0]): Promise<Logits> => {
        const want = await one.run(steps);
        expect(difference(want, await other.run(steps))).toBeLessThan(TOLERANCE);
        return want;
      };
      const prefill = await both(["a", first]);
      let last = prefill;
      for (let step = 0; step < 3; step++) last = await both(["a", [best(last)]]);
      // One sequence goes on while another begins, in either order.
      await both(["a", [best(last)]], ["b", second]);
      await both(["c", first.slice(0, 4)], ["b", [5, 6, 7]], ["a", [8]]);
      return prefill;
    });
    // The adapter is no decoration: it moves the logits by far more than the tolerance.
    expect(difference(plain, adapted)).toBeGreaterThan(0.5);
  });
});

/** The most likely token after the last one. */
function best(logits: Logits): number {
  const last = logits.at(-1) ?? [];
  return last.indexOf(Math.max(...last));
}
