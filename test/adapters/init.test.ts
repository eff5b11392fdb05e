import { createCipheriv, createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { initialBytes, initialPieces } from "../../compiler/adapters/init.ts";
import type { Init } from "../../compiler/adapters/kind.ts";
import { scalarlm } from "../../compiler/adapters/scalarlm.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import { fromBfloat, fromHalf } from "../../compiler/ir/scalar.ts";

const COUNT = 100_000;
const name = "model.layers.0.mlp.tokenformer_k";
const dtypes = ["float", "double", "float16", "bfloat16"] as const satisfies readonly DType[];

function numbers(init: Init, dtype: DType, seed = 0, leaf = name, count = COUNT): number[] {
  const bytes = initialBytes(init, dtype, count, seed, leaf);
  const copy = bytes.slice().buffer;
  if (dtype === "float") return [...new Float32Array(copy)];
  if (dtype === "double") return [...new Float64Array(copy)];
  return [...new Uint16Array(copy)].map((bits) => (dtype === "float16" ? fromHalf(bits) : fromBfloat(bits)));
}

function moments(values: readonly number[]): {
  mean: number;
  deviation: number;
  least: number;
  most: number;
} {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  const [least, most] = values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
  return { mean, deviation: Math.sqrt(variance), least, most };
}

const [k, v, p] = scalarlm.leaves(
  { inFeatures: 128, outFeatures: 128, dtype: "float" },
  { heads: 4, rank: 32 },
);

it("ScalarLM's leaves have its shapes and distributions", () => {
  expect(k).toMatchObject({
    name: "tokenformer_k",
    shape: [4, 128],
    init: { kind: "normal", std: 3 / Math.sqrt(32) },
  });
  expect(v).toMatchObject({
    name: "tokenformer_v",
    shape: [4, 4096],
    init: { kind: "uniform", bound: 3 / Math.sqrt(128) },
  });
  expect(p).toMatchObject({ name: "tokenformer_p", shape: [32, 128], init: { kind: "zeros" } });
});

describe.each(dtypes)("first weights of type %s", (dtype) => {
  it("are normal with the deviation asked for", () => {
    const std = 3 / Math.sqrt(32);
    const values = numbers({ kind: "normal", std }, dtype);
    const { mean, deviation, most } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(4 * (std / Math.sqrt(COUNT)));
    expect(Math.abs(deviation / std - 1)).toBeLessThan(0.01);
    expect(most).toBeGreaterThan(3.5 * std);
    const share = (within: number): number => values.filter((x) => Math.abs(x) < within * std).length / COUNT;
    expect(share(1)).toBeCloseTo(0.6827, 2);
    expect(share(2)).toBeCloseTo(0.9545, 2);
    expect(share(3)).toBeCloseTo(0.9973, 2);
  });

  it("are uniform within the bound", () => {
    const bound = 3 / Math.sqrt(128);
    const { mean, deviation, least, most } = moments(numbers({ kind: "uniform", bound }, dtype));
    expect(Math.abs(mean)).toBeLessThan(4 * (bound / Math.sqrt(3 * COUNT)));
    expect(Math.abs(deviation / (bound / Math.sqrt(3)) - 1)).toBeLessThan(0.01);
    const rounding = dtype === "bfloat16" ? 1.005 : 1.001;
    expect(least).toBeGreaterThanOrEqual(-bound * rounding);
    expect(most).toBeLessThanOrEqual(bound * rounding);
    expect(most).toBeGreaterThan(0.99 * bound);
    expect(least).toBeLessThan(-0.99 * bound);
  });

  it("are zero where they are to add nothing", () => {
    expect(new Set(numbers({ kind: "zeros" }, dtype))).toEqual(new Set([0]));
  });

  it.each<Init>([
    { kind: "normal", std: 1 },
    { kind: "uniform", bound: 1 },
  ])("are the same for one seed and name: %j", (init) => {
    const bytes = (seed: number, leaf: string, count = 64): Uint8Array =>
      initialBytes(init, dtype, count, seed, leaf);
    expect(bytes(3, name)).toEqual(bytes(3, name));
    expect(bytes(4, name)).not.toEqual(bytes(3, name));
    expect(bytes(3, "model.layers.1.mlp.tokenformer_k")).not.toEqual(bytes(3, name));
  });

  it("have as many bytes as were asked for, also of an odd count", () => {
    const size = { float: 4, double: 8, float16: 2, bfloat16: 2 }[dtype];
    for (const count of [0, 1, 7, 1001]) {
      for (const init of [
        { kind: "normal", std: 1 },
        { kind: "uniform", bound: 1 },
        { kind: "zeros" },
      ] as const) {
        expect(initialBytes(init, dtype, count, 0, name)).toHaveLength(count * size);
      }
    }
  });
});

it("streams of two leaves are not alike", () => {
  const [a, b] = ["k", "v"].map((leaf) => numbers({ kind: "normal", std: 1 }, "float", 0, leaf, 20_000));
  const correlation = (a ?? []).reduce((sum, x, i) => sum + x * (b?.[i] ?? 0), 0) / 20_000;
  expect(Math.abs(correlation)).toBeLessThan(0.03);
});

it("numbers of one leaf do not follow from those before", () => {
  const values = numbers({ kind: "normal", std: 1 }, "float");
  const correlation = values.slice(1).reduce((sum, x, i) => sum + x * (values[i] ?? 0), 0) / COUNT;
  expect(Math.abs(correlation)).toBeLessThan(0.015);
});

it("a large leaf is one key stream, made in pieces that do not change any more", () => {
  const [count, bound] = [300_001, 0.5];
  const pieces = [...initialPieces({ kind: "uniform", bound }, "float", count, 7, name)];
  expect(pieces.length).toBeGreaterThan(2);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(1 << 20);

  const digest = createHash("sha256").update(`tfc 7 ${name}`).digest();
  const cipher = createCipheriv("aes-128-ctr", digest.subarray(0, 16), digest.subarray(16));
  const bits = cipher.update(new Uint8Array(count * 4));
  const expected = Float32Array.from(
    { length: count },
    (_, i) => ((bits.readUInt32LE(i * 4) >>> 8) / 2 ** 23 - 1) * bound,
  );
  expect(Buffer.concat(pieces).equals(Buffer.from(expected.buffer))).toBe(true);
});
