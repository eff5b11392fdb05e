import { join, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { headSizes } from "../../compiler/compile/verify/head-sizes.ts";
import { writeComparable } from "../../compiler/compile/verify/converted/converted.ts";
import { TemporaryModels } from "../../compiler/compile/verify/temporary.ts";
import { readRange } from "../../compiler/onnx/source.ts";
import { numbersOf } from "../../compiler/weights/convert.ts";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { makeFeeds } from "../../runtime/session/feeds.ts";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom } from "../../runtime/session/tensor.ts";
import { temporaryFolder } from "../support/folder.ts";
import { newFamilies, samples } from "./samples.ts";

const folder = temporaryFolder();
const FILE = resolve("test/models/half-oracle.safetensors");
const { tensors } = readSafetensors(FILE);
const families = [...tensors.keys()]
  .filter((name) => name.endsWith(".float16"))
  .map((name) => name.slice(0, -8));
const TOKENS = 8;

/** The numbers of a recorded tensor, of tokens or of logits. */
function recorded(name: string): readonly number[] {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(name);
  const bytes = readRange({ file: FILE, ...tensor });
  if (tensor.dtype === "int64") return [...new BigInt64Array(new Uint8Array(bytes).buffer)].map(Number);
  const at = numbersOf(bytes, tensor.dtype);
  return Array.from({ length: tensor.shape.reduce((a, b) => a * b, 1) }, (_, i) => at(i));
}

async function logitsOf(file: string, family: string): Promise<readonly number[]> {
  const session = await openSession(file, { threads: 1 });
  try {
    const feeds = makeFeeds(session, { batch: 1, sequence: TOKENS, past: 0 }, { symbols: headSizes(file) });
    const ids = recorded(`${family}.input_ids`);
    const results = await session.run(
      new Map([...feeds, ["input_ids", tensorFrom("int64", [1, TOKENS], (i) => ids[i] ?? 0)]]),
    );
    return [...(results.get("logits")?.data ?? [])].map(Number);
  } finally {
    await session.close();
  }
}

/** Root of the mean of squared differences. */
function distance(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return Math.sqrt(a.reduce((sum, x, i) => sum + (x - (b[i] ?? NaN)) ** 2, 0) / a.length);
}

it("families of all kinds are recorded", () => {
  expect(families.length).toBe(8);
});

describe.each(families)("%s, converted", (family) => {
  const base = [...samples, ...newFamilies].find(({ name }) => name.endsWith(`${family}-dynamo`))?.file ?? "";

  it.each([{}, { for: "cpu" }] as const satisfies Partial<CompileOptions>[])(
    "to float16 (%j) is as far from float32 as Hugging Face's own, and no further from that",
    async (options) => {
      const output = join(folder, family, `${JSON.stringify(options).length}.onnx`);
      const how = { adapters: false, weights: "inline", ...options } as const;
      await compile({ input: base, output, dtype: "fp16", ioDtype: "fp32", ...how });
      const [float, half] = [await logitsOf(base, family), await logitsOf(output, family)];
      const theirs = recorded(`${family}.float16`);
      const usual = distance(theirs, float);
      expect(usual).toBeGreaterThan(0);
      expect(distance(half, float)).toBeLessThan(1.6 * usual);
      expect(distance(half, theirs)).toBeLessThan(2 * usual);
    },
  );

  it("to bfloat16 has weights that are no further off", async () => {
    const output = join(folder, family, "bf16.onnx");
    await compile({ input: base, output, dtype: "bf16", adapters: false, weights: "inline" });
    const models = new TemporaryModels(base, output);
    try {
      const { file } = await writeComparable(base, output, { type: "bfloat16", provider: "cpu", models });
      const float = await logitsOf(base, family);
      const usual = distance(recorded(`${family}.bfloat16`), float);
      const off = distance(await logitsOf(file, family), float);
      expect(off).toBeGreaterThan(usual / 20);
      expect(off).toBeLessThan(1.2 * usual);
    } finally {
      models.remove();
    }
  });
});
