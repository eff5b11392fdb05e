import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { printModel } from "../../compiler/text/print.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { bytesOf, moveOut, tinyDecoder } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const message = tinyDecoder();
writeFileSync(path.join(folder, "weights.bin"), moveOut(message, "embed", { location: "weights.bin" }));
const model = bytesOf(message);

/** Numbers below a bound, the same in every run. */
function sequence(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Opens, prints and compiles a broken file: whatever happens must be a result or an error about the file. */
async function attempt(bytes: Uint8Array): Promise<string> {
  const file = path.join(folder, "broken.onnx");
  writeFileSync(file, bytes);
  const output = path.join(folder, "out", "out.onnx");
  mkdirSync(path.dirname(output), { recursive: true });
  const before = filesIn(folder);
  try {
    printModel(openModel(file, new Sink()).model);
    await compile({ input: file, output });
    return "compiled";
  } catch (error) {
    if (!(error instanceof TfcError) || error.exitCode !== 1) throw error;
    expect(filesIn(folder)).toEqual(before);
    return error.code;
  } finally {
    rmSync(path.dirname(output), { recursive: true });
  }
}

/** Attempts many broken files; a failure names the one. */
async function attemptAll(
  count: number,
  broken: (at: number) => { bytes: Uint8Array; how: string },
): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const { bytes, how } = broken(i);
    try {
      const outcome = await attempt(bytes);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (cause) {
      throw new Error(`${how}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`, {
        cause,
      });
    }
  }
  return outcomes;
}

const changed = (position: number, value: number): Uint8Array => {
  const bytes = Uint8Array.from(model);
  bytes[position] = value;
  return bytes;
};

describe("a file with", () => {
  it("one wrong byte", async () => {
    const next = sequence(1);
    const outcomes = await attemptAll(200, () => {
      const [position, value] = [next(model.length), next(256)];
      return { bytes: changed(position, value), how: `byte ${position} = ${value}` };
    });
    expect(outcomes.size).toBeGreaterThan(3);
  });

  it("one wrong bit, early where the structure is dense", async () => {
    const next = sequence(2);
    const outcomes = await attemptAll(200, () => {
      const [position, bit] = [next(Math.min(1200, model.length)), next(8)];
      return {
        bytes: changed(position, (model[position] ?? 0) ^ (1 << bit)),
        how: `bit ${bit} of byte ${position}`,
      };
    });
    expect(outcomes.size).toBeGreaterThan(3);
  });

  it("its end missing", async () => {
    const next = sequence(3);
    const outcomes = await attemptAll(80, () => {
      const length = next(model.length);
      return { bytes: model.slice(0, length), how: `the first ${length} bytes` };
    });
    expect(outcomes.get("compiled")).toBeUndefined();
  });

  it("bytes put in, taken out, or repeated", async () => {
    const next = sequence(4);
    await attemptAll(120, () => {
      const [from, to] = [next(model.length), next(model.length)];
      const length = 1 + next(24);
      const parts = [
        model.slice(0, from),
        model.slice(to, to + length),
        model.slice(from + next(2) * length),
      ];
      return { bytes: Uint8Array.from(Buffer.concat(parts)), how: `${length} bytes of ${to} at ${from}` };
    });
  });

  it("nothing but noise behind a good start", async () => {
    const next = sequence(5);
    const outcomes = await attemptAll(60, (i) => {
      const bytes = Uint8Array.from({ length: 8 + i }, () => next(256));
      bytes.set([0x08, 0x08]);
      return { bytes, how: `noise ${i}` };
    });
    expect(outcomes.get("compiled")).toBeUndefined();
  });
});
