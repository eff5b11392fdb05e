import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { AdapterFile, AdapterPart } from "../../compiler/weights/adapter-file.ts";
import { numbersOf } from "../../compiler/weights/convert.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { growAdapter, shrinkAdapter } from "../../compiler/weights/resize.ts";
import { siteName } from "../../compiler/sites/names.ts";
import type { WeightTensor } from "../../compiler/weights/weight.ts";

const models = path.resolve(import.meta.dirname, "../../samples/models");
const lora = readAdapter(path.join(models, "peft/patterns"));
const scalarlm = readAdapter(path.join(models, "scalarlm/checkpoint_10.pt"));
const tokenformer = readAdapter(path.join(models, "tokenformer/state_dict.safetensors"));

function partOf(adapter: AdapterFile, site: string): AdapterPart {
  const part = adapter.parts.find((one) => siteName(one.site) === site);
  if (part === undefined) throw new Error(`no ${site}`);
  return part;
}

function leafOf(part: AdapterPart, name: string): WeightTensor {
  const leaf = part.leaves.get(name);
  if (leaf === undefined) throw new Error(`no ${name}`);
  return leaf;
}

/** A leaf's numbers in the shape `[outer, size, inner]`. */
function at(leaf: WeightTensor): (index: number) => number {
  return numbersOf(leaf.bytes(), leaf.dtype);
}

/** `B(A x)` of a LoRA part, by the definition. */
function product(part: AdapterPart, x: readonly number[]): number[] {
  const [a, b] = [leafOf(part, "lora_A.weight"), leafOf(part, "lora_B.weight")];
  const [rank = 0, width = 0] = a.shape;
  const [A, B] = [at(a), at(b)];
  const reduced = Array.from({ length: rank }, (_, r) =>
    x.reduce((sum, v, i) => sum + v * A(r * width + i), 0),
  );
  return Array.from({ length: b.shape[0] ?? 0 }, (_, o) =>
    reduced.reduce((sum, v, r) => sum + v * B(o * rank + r), 0),
  );
}

const x = Array.from({ length: 128 }, (_, i) => Math.sin(i));

describe("growing", () => {
  it("keeps the product and the factor of LoRA, in each part by its own rank", () => {
    const { adapter, sites } = growAdapter(lora, { rank: { times: 3 } }, 0);
    expect(sites).toHaveLength(42);
    for (const before of lora.parts.filter(({ site }) => site.site !== "down_proj")) {
      const after = partOf(adapter, siteName(before.site));
      const rank = Number(before.settings["rank"]);
      expect(after.settings["rank"]).toBe(3 * rank);
      expect(leafOf(after, "lora_A.weight").shape).toEqual([3 * rank, 128]);
      expect(product(after, x)).toEqual(product(before, x));
      // α / √r stays: these were trained with rsLoRA.
      expect(Number(after.settings["alpha"]) / Math.sqrt(3 * rank)).toBeCloseTo(
        Number(before.settings["alpha"]) / Math.sqrt(rank),
        12,
      );
    }
  });

  it("gives new slices of one leaf zeros and of the other numbers, the same for one seed", () => {
    const grown = (seed: number): AdapterPart =>
      partOf(
        growAdapter(tokenformer, { tokens: { to: 30 } }, seed).adapter,
        "model.layers.0.self_attn.k_proj",
      );
    // The feed-forward has 48 tokens: only attention's 24 can become 30.
    const attention = { ...tokenformer, parts: tokenformer.parts.filter(({ site }) => site.site !== "mlp") };
    const part = partOf(
      growAdapter(attention, { tokens: { to: 30 } }, 5).adapter,
      "model.layers.0.self_attn.k_proj",
    );
    const [keys, values] = [leafOf(part, "key_param_tokens"), leafOf(part, "value_param_tokens")];
    expect([keys.shape, values.shape]).toEqual([
      [30, 128],
      [30, 64],
    ]);
    const [K, V] = [at(keys), at(values)];
    const added = (get: (i: number) => number, width: number): number[] =>
      Array.from({ length: 6 * width }, (_, i) => get(24 * width + i));
    expect(new Set(added(K, 128))).toEqual(new Set([0]));
    const spread = Math.sqrt(added(V, 64).reduce((sum, v) => sum + v * v, 0) / (6 * 64));
    expect(spread).toBeGreaterThan(0.5 / Math.sqrt(30));
    expect(spread).toBeLessThan(2 / Math.sqrt(30));
    expect(part.settings).toMatchObject({ tokens: 30, tau: Math.sqrt(24) });
    expect(() => grown(5)).toThrow("RESIZE_DIRECTION");
    const again = partOf(
      growAdapter(attention, { tokens: { to: 30 } }, 5).adapter,
      "model.layers.0.self_attn.k_proj",
    );
    const other = partOf(
      growAdapter(attention, { tokens: { to: 30 } }, 6).adapter,
      "model.layers.0.self_attn.k_proj",
    );
    expect(leafOf(again, "value_param_tokens").bytes()).toEqual(values.bytes());
    expect(leafOf(other, "value_param_tokens").bytes()).not.toEqual(values.bytes());
  });

  it("re-strides ScalarLM's values: column j of width c is at c · r + j", () => {
    const before = partOf(scalarlm, "model.layers.2.mlp");
    const after = partOf(growAdapter(scalarlm, { rank: { to: 5 } }, 0).adapter, "model.layers.2.mlp");
    const [from, to] = [leafOf(before, "tokenformer_v"), leafOf(after, "tokenformer_v")];
    expect(to.shape).toEqual([4, 128 * 5]);
    const [a, b] = [at(from), at(to)];
    for (let row = 0; row < 4 * 128; row++)
      for (let j = 0; j < 2; j++) expect(b(row * 5 + j)).toBe(a(row * 2 + j));
    expect(leafOf(after, "tokenformer_k").bytes()).toEqual(leafOf(before, "tokenformer_k").bytes());
  });

  it("is refused under softmax, with the reason", () => {
    const parts = tokenformer.parts.map((part) => ({
      ...part,
      settings: { ...part.settings, norm: "softmax" },
    }));
    expect(() => growAdapter({ ...tokenformer, parts }, { tokens: { times: 2 } }, 0)).toThrow(
      /GROWTH_INEXACT[^]*weighs exp\(0\) = 1/,
    );
  });

  it("of a size that the adapter does not have is refused", () => {
    expect(() => growAdapter(lora, { tokens: { to: 8 } }, 0)).toThrow(
      /RESIZE_NOTHING[^]*wanted `rank` \(lora\), found `tokens`/,
    );
  });
});

describe("shrinking", () => {
  it("keeps what has the largest product of norms, in its order", () => {
    const before = partOf(tokenformer, "model.layers.1.mlp");
    const { adapter, sites } = shrinkAdapter(tokenformer, { tokens: { to: 10 } });
    const after = partOf(adapter, "model.layers.1.mlp");
    const [K, V] = [at(leafOf(before, "key_param_tokens")), at(leafOf(before, "value_param_tokens"))];
    const norm = (get: (i: number) => number, n: number): number =>
      Math.hypot(...Array.from({ length: 128 }, (_, i) => get(n * 128 + i)));
    const weights = Array.from({ length: 48 }, (_, n) => norm(K, n) * norm(V, n));
    const kept = weights
      .map((weight, n) => ({ weight, n }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, 10)
      .map(({ n }) => n)
      .sort((a, b) => a - b);
    const [k] = [at(leafOf(after, "key_param_tokens"))];
    kept.forEach((n, i) => {
      for (let c = 0; c < 128; c++) expect(k(i * 128 + c)).toBe(K(n * 128 + c));
    });
    expect(after.settings).toMatchObject({ tokens: 10, tau: Math.sqrt(48) });
    const total = weights.reduce((a, b) => a + b, 0);
    const left = kept.reduce((sum, n) => sum + (weights[n] ?? 0), 0);
    const dropped = sites.find(({ site }) => site === "model.layers.1.mlp")?.dropped;
    expect(dropped).toBeCloseTo(1 - left / total, 10);
  });

  it("undoes growth: new slices weigh nothing", () => {
    const grown = growAdapter(scalarlm, { rank: { to: 6 } }, 0).adapter;
    const { adapter, sites } = shrinkAdapter(grown, { rank: { to: 2 } });
    for (const before of scalarlm.parts) {
      const after = partOf(adapter, siteName(before.site));
      for (const [name, leaf] of before.leaves) expect(leafOf(after, name).bytes()).toEqual(leaf.bytes());
    }
    expect(sites.every(({ dropped }) => dropped === 0)).toBe(true);
  });
});
