import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { AdapterKind } from "../../compiler/adapters/kind.ts";
import { adapterKinds } from "../../compiler/adapters/index.ts";
import { fromHalf, toHalf } from "../../compiler/weights/half.ts";
import { tensorFrom, type HostTensor } from "../../runtime/session/tensor.ts";
import { storedTensor } from "../runtime/oracle.ts";
import { temporaryFolder } from "../support/folder.ts";
import {
  casesOf,
  farthest,
  halved,
  leavesOf,
  numbersIn,
  oracleOf,
  runCall,
  shapesOf,
} from "../models/adapted/one-call.ts";

const folder = temporaryFolder();
const opsets = [11, 13, 18, 21] as const;
const norms = ["l2_norm_gelu", "gelu_l2_norm", "softmax"] as const;

/** Alpha, and whether √rank divides it: what samples/export/lora_oracle.py gave to PEFT. */
const alphas: Readonly<Record<string, readonly [alpha: number, rslora: boolean]>> = {
  batch: [16, false],
  flat: [16, false],
  wide: [6, false],
  narrow: [6, false],
  rank_one: [2, false],
  one_row: [16, false],
  rslora: [16, true],
  zero_row: [16, false],
};

/** What a case's adapter was made with, besides what its leaves' shapes say. */
function statedFor(kind: string, name: string): Readonly<Record<string, unknown>> {
  if (kind === "lora") {
    const [alpha, rslora] = alphas[name] ?? [NaN, false];
    return { alpha, rslora };
  }
  if (kind === "scalarlm") return {};
  const [norm, what] = name.split("-");
  // τ is what it usually is for the number of tokens, but where tokens were added.
  return { norm, ...(what === "grown" ? { tau: Math.sqrt(16) } : {}) };
}

function kindOf(name: string): AdapterKind {
  const kind = adapterKinds.get(name);
  if (kind === undefined) throw new Error(`no kind ${name}`);
  return kind;
}

function part(kind: string, name: string, what: string): HostTensor {
  return storedTensor(oracleOf(kind), `${name}.${what}`);
}

let count = 0;
const nextFile = (): string => path.join(folder, `${count++}.onnx`);

/** Runs a case of an oracle. */
async function run(kindName: string, name: string, opset: number): Promise<HostTensor> {
  const kind = kindOf(kindName);
  const leaves = leavesOf(kind, name);
  const settings = kind.settingsOf(shapesOf(leaves), statedFor(kindName, name));
  return runCall(nextFile(), { kind, settings, leaves, x: part(kindName, name, "x"), opset });
}

const kinds = [...adapterKinds.keys()];
const all = kinds.flatMap((kind) => casesOf(kind).map((name) => [kind, name] as const));

describe.each(opsets)("in opset %d", (opset) => {
  it.each(all)("%s computes what PyTorch computes: %s", async (kind, name) => {
    const [got, want] = [await run(kind, name, opset), part(kind, name, "y")];
    expect(got.dims).toEqual(want.dims);
    expect(farthest(numbersIn(got), numbersIn(want))).toBeLessThan(1e-5);
    expect(Math.max(...numbersIn(want).map(Math.abs))).toBeGreaterThan(0.1);
  });

  it.each(norms.slice(0, 2))("a row of zeros gives exactly zeros with %s", async (norm) => {
    const got = await run("pattention", `${norm}-zero_row`, opset);
    const row = numbersIn(got).slice(64, 128);
    expect(row).toEqual(Array(64).fill(0));
    expect(numbersIn(part("pattention", `${norm}-zero_row`, "x")).slice(64, 128)).toEqual(Array(64).fill(0));
  });

  it.each(["scalarlm", "lora"])("a row of zeros gives exactly zeros with %s", async (kind) => {
    const row = numbersIn(await run(kind, "zero_row", opset)).slice(64, 128);
    expect(row.every((value) => value === 0)).toBe(true);
  });

  it.each(norms.slice(0, 2))("tokens whose keys are zeros change nothing with %s", async (norm) => {
    const grown = await run("pattention", `${norm}-grown`, opset);
    expect(part("pattention", `${norm}-grown`, "key_param_tokens").dims).toEqual([32, 64]);
    const want = part("pattention", `${norm}-batch`, "y");
    expect(farthest(numbersIn(grown), numbersIn(want))).toBeLessThan(1e-5);
  });
});

describe("the oracles", () => {
  it("have the cases that matter", () => {
    const shapes = ["batch", "flat", "wide", "one_token", "one_row", "zero_row"];
    expect(casesOf("scalarlm").toSorted()).toEqual(
      ["batch", "flat", "many_heads", "one_head", "one_token", "smallest", "zero_row"].toSorted(),
    );
    expect(casesOf("lora").toSorted()).toEqual(Object.keys(alphas).toSorted());
    expect(casesOf("pattention").toSorted()).toEqual(
      norms
        .flatMap((norm) =>
          [...shapes, ...(norm === "softmax" ? [] : ["grown"])].map((what) => `${norm}-${what}`),
        )
        .toSorted(),
    );
  });

  it.each(all)("%s gives leaves the shapes that PyTorch gave them: %s", (name, one) => {
    const kind = kindOf(name);
    const shapes = shapesOf(leavesOf(kind, one));
    const width = { ...kind.widthOf(shapes), dtype: "float" as const };
    const leaves = kind.leaves(width, kind.settingsOf(shapes, statedFor(name, one)));
    expect(new Map(leaves.map((leaf) => [leaf.name, leaf.shape]))).toEqual(shapes);
    expect([width.inFeatures, width.outFeatures]).toEqual(
      ["x", "y"].map((what) => part(name, one, what).dims.at(-1)),
    );
  });

  it.each(all.filter(([kind]) => kind !== "scalarlm"))("%s has PyTorch's coefficient: %s", (name, one) => {
    const kind = kindOf(name);
    const settings = kind.settingsOf(shapesOf(leavesOf(kind, one)), statedFor(name, one));
    const coefficients = Object.entries(kind.coefficients(settings));
    expect(coefficients).toHaveLength(1);
    for (const [coefficient, value] of coefficients) {
      expect(Math.fround(value)).toBe(part(name, one, coefficient).data[0]);
    }
  });
});

/** A kind with the settings that change its body, and a case that has them. */
const bodies = [
  ["scalarlm", "batch"],
  ["lora", "batch"],
  ...norms.map((norm) => ["pattention", `${norm}-batch`] as const),
] as const;

describe.each(opsets)("leaves as graph inputs, in opset %d", (opset) => {
  /** Runs a case with all leaves of another size. */
  async function runSized(kindName: string, name: string, size: number): Promise<HostTensor> {
    const kind = kindOf(kindName);
    const leaves = leavesOf(kind, name);
    const settings = kind.settingsOf(shapesOf(leaves), statedFor(kindName, name));
    const width = { ...kind.widthOf(shapesOf(leaves)), dtype: "float" as const };
    const own = Number((settings as Readonly<Record<string, unknown>>)[kind.size]);
    const sized = kind.leaves(width, settings).map(({ name: leaf, grows }): [string, HostTensor] => {
      const whole = leaves.get(leaf);
      if (whole === undefined) throw new Error(`no leaf ${leaf}`);
      if (grows === null || size === own) return [leaf, whole];
      const dims = whole.dims.map((dim, i) => (i === grows.axis ? (dim / own) * size : dim));
      return [leaf, tensorFrom("float", dims, () => 1)];
    });
    const call = {
      kind,
      settings,
      leaves: new Map(sized),
      x: part(kindName, name, "x"),
      opset,
      asInputs: true,
    };
    return runCall(nextFile(), call);
  }

  it.each(bodies)("%s of size 0 adds exactly nothing: %s", async (kind, name) => {
    const got = await runSized(kind, name, 0);
    const want = part(kind, name, "y");
    expect(got.dims).toEqual(want.dims);
    expect(numbersIn(got).every((value) => value === 0)).toBe(true);
    expect(got.data).toHaveLength(want.data.length);
  });

  it.each(bodies)("%s computes what PyTorch computes: %s", async (kind, name) => {
    const want = part(kind, name, "y");
    const size = want.dims.length === 3 ? (kind === "pattention" ? 16 : 8) : NaN;
    expect(farthest(numbersIn(await runSized(kind, name, size)), numbersIn(want))).toBeLessThan(1e-5);
  });
});

describe("in float16", () => {
  // Eleven bits of mantissa, in inputs, weights and sums alike: a few thousandths of the largest value.
  const tolerance = 5e-3;

  it.each(bodies)("%s is near what PyTorch computes in float32: %s", async (kindName, name) => {
    const kind = kindOf(kindName);
    const whole = leavesOf(kind, name);
    const settings = kind.settingsOf(shapesOf(whole), statedFor(kindName, name));
    const leaves = new Map([...whole].map(([leaf, tensor]) => [leaf, halved(tensor)]));
    const x = halved(part(kindName, name, "x"));
    const got = await runCall(nextFile(), { kind, settings, leaves, x, opset: 18 });
    expect(got.dtype).toBe("float16");
    const want = numbersIn(part(kindName, name, "y"));
    expect(farthest(numbersIn(got).map(fromHalf), want)).toBeLessThan(tolerance);
  });

  /** A case of l2_norm_gelu or gelu_l2_norm whose x is multiplied by a number. */
  async function runScaled(norm: string, factor: number): Promise<number[]> {
    const kind = kindOf("pattention");
    const whole = leavesOf(kind, `${norm}-batch`);
    const settings = kind.settingsOf(shapesOf(whole), { norm });
    const leaves = new Map([...whole].map(([leaf, tensor]) => [leaf, halved(tensor)]));
    const x = part("pattention", `${norm}-batch`, "x");
    const scaled = tensorFrom("float16", x.dims, (i) => toHalf(factor * Number(x.data[i])));
    return numbersIn(await runCall(nextFile(), { kind, settings, leaves, x: scaled, opset: 18 })).map(
      fromHalf,
    );
  }

  it("normalized scores do not depend on how large they are, even where their squares leave the range", async () => {
    // Scores of about 1 become scores of about 512, whose squares are above 65,504.
    const want = numbersIn(part("pattention", "l2_norm_gelu-batch", "y"));
    expect(farthest(await runScaled("l2_norm_gelu", 512), want)).toBeLessThan(tolerance);
  });

  it.each(norms.slice(0, 2))("scores near the smallest number stay numbers with %s", async (norm) => {
    const got = await runScaled(norm, 2 ** -20);
    expect(got.every((value) => Number.isFinite(value))).toBe(true);
  });
});
