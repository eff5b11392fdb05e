import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { adapterFile, compile } from "../../../compiler/compile/compile.ts";
import "../../../compiler/testing/jest.ts";
import { readSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { openSession } from "../../../runtime/session/session.ts";
import type { HostTensor, Tensors } from "../../../runtime/session/tensor.ts";
import {
  emptyCache,
  graphOf,
  largestDifference,
  nextCache,
  oracleTensor,
  sample,
  storedTensor,
  styles,
} from "../../runtime/oracle.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();
const weights = path.join(sample, "adapters.safetensors");
const logits = path.join(sample, "adapted.safetensors");
const recorded = [...readSafetensors(logits).tensors.keys()];
const cases = [...new Set(recorded.map((name) => name.split(".")[0] ?? ""))];

/** Writes other numbers over the leaves of a compiled graph's adapters, in place. */
function setWeights(file: string, from: string): void {
  const [into, given] = [readSafetensors(file).tensors, readSafetensors(from).tensors];
  expect([...into.keys()].sort()).toEqual([...given.keys()].sort());
  const fd = openSync(file, "r+");
  for (const [name, { offset, length, shape }] of into) {
    expect(given.get(name)?.shape).toEqual(shape);
    const { data } = storedTensor(from, name);
    if (data instanceof Float32Array) writeSync(fd, new Uint8Array(data.buffer), 0, length, offset);
  }
  closeSync(fd);
}

describe.each(styles)("the %s export with trained adapters", (style) => {
  const output = path.join(folder, style, "model.onnx");

  beforeAll(async () => {
    const report = await compile({ input: graphOf(style), output, settings: { heads: 4, rank: 4 } });
    expect(report).toMatchObject({
      adapters: 12,
      attention: { matched: 6, seen: 6 },
      mlp: { matched: 6, seen: 6 },
    });
    setWeights(adapterFile(output), weights);
  });

  it.each(cases)("computes what transformers computes with them: %s", async (name) => {
    const session = await openSession(output);
    const steps = recorded.filter((one) => one.startsWith(`${name}.`)).length;
    let cache: Tensors = emptyCache(session, oracleTensor(`${name}.0.input_ids`).dims[0] ?? 1);
    for (let step = 0; step < steps; step++) {
      const given = ["input_ids", "attention_mask", "position_ids"].map((part): [string, HostTensor] => [
        part,
        oracleTensor(`${name}.${step}.${part}`),
      ]);
      const results = await session.run(new Map([...given, ...cache]));
      const mask = oracleTensor(`${name}.${step}.attention_mask`);
      const want = storedTensor(logits, `${name}.${step}.logits`);
      expect(largestDifference(results.get("logits"), want, mask)).toBeLessThan(1e-4);
      // The adapters do something: the base's logits are others.
      expect(largestDifference(oracleTensor(`${name}.${step}.logits`), want, mask)).toBeGreaterThan(0.5);
      cache = nextCache(session, results);
    }
    await session.close();
  });

  it("computes something else than its base", async () => {
    const cases = [{ batch: 1, sequence: 3, past: 2 }];
    await expect(output).not.toComputeLike(graphOf(style), { cases, levels: ["off"] });
  });
});
