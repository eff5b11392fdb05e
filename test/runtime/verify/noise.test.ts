import { describe, expect, it } from "@jest/globals";
import { tensorFrom, type HostTensor, type Tensors } from "../../../runtime/session/tensor.ts";
import { toHalf } from "../../../compiler/weights/half.ts";
import { compare } from "../../../runtime/verify/compare.ts";
import { reportText } from "../../../runtime/verify/report.ts";
import { Tally, type Allowed } from "../../../runtime/verify/tally.ts";
import { verify } from "../../../runtime/verify/verify.ts";
import { FLOAT, graphFile, INT64, scaled } from "../graphs.ts";

const sizes = { batch: 1, sequence: 2, past: 0 };
const outputs = (...values: number[]): Tensors =>
  new Map([["y", tensorFrom("float", [values.length], (i) => values[i] ?? NaN)]]);
const halves = (...values: number[]): HostTensor =>
  tensorFrom("float16", [values.length], (i) => toHalf(values[i] ?? NaN));

function tallied(want: Tensors, got: Tensors): Tally {
  const tally = new Tally({ tolerance: 1e-5, halfUlps: 0 });
  tally.add(sizes, want, got);
  expect(tally.failing).toEqual([sizes]);
  return tally;
}

describe("a difference beyond the tolerance", () => {
  it("is excused where two runs of the base lie as far apart", () => {
    const tally = tallied(outputs(1, 2), outputs(1, 2.5));
    tally.addNoise(sizes, "runs", outputs(1, 2), outputs(1, 2.3));
    expect(tally.report("all")).toMatchObject({
      same: true,
      exact: false,
      noise: [{ output: "y", between: "runs", isExcuse: true }],
    });
  });

  it("is not where they lie much closer, or are equal", () => {
    const close = tallied(outputs(1, 2), outputs(1, 2.5));
    close.addNoise(sizes, "runs", outputs(1, 2), outputs(1, 2.01));
    expect(close.report("all").same).toBe(false);
    const equal = tallied(outputs(1, 2), outputs(1, 2.5));
    equal.addNoise(sizes, "runs", outputs(1, 2), outputs(1, 2));
    expect(equal.report("all")).toMatchObject({ same: false, noise: [] });
  });

  it("is excused by a control that rounds otherwise, and not by one that is wrong itself", () => {
    const rounding = tallied(outputs(100, 2), outputs(100, 2.5));
    rounding.addNoise(sizes, "graphs", outputs(100, 2), outputs(100, 2.4));
    expect(rounding.report("off").same).toBe(true);
    const wrong = tallied(outputs(100, 2), outputs(50, 2));
    wrong.addNoise(sizes, "graphs", outputs(100, 2), outputs(50, 2));
    expect(wrong.report("off")).toMatchObject({ same: false, noise: [{ isExcuse: false }] });
  });

  it("says nothing where the base is not a number apart from itself", () => {
    const tally = tallied(outputs(1, 2), outputs(1, 3));
    tally.addNoise(sizes, "runs", outputs(1, 2), outputs(1, NaN));
    expect(tally.report("all").same).toBe(true);
  });
});

describe("the report", () => {
  const told = (want: Tensors, got: Tensors, allowed: Partial<Allowed> = {}): string => {
    const tally = new Tally({ tolerance: 1e-4, halfUlps: 0, ...allowed });
    tally.add(sizes, want, got);
    return reportText({ levels: [tally.report("off")], skipped: [] });
  };

  it("says which rule an output passes by", () => {
    expect(told(outputs(1), outputs(1))).toMatch(/ equal$/m);
    expect(told(outputs(1), outputs(1.00005))).toMatch(/ equal within 1e-4$/m);
    expect(told(outputs(8), outputs(8.0004))).toMatch(/ equal within 1e-4 \+ 1e-4 of each element$/m);
    expect(told(outputs(50, 0), outputs(50, 0.0009), { share: 2e-5 })).toMatch(
      / equal within 2e-5 of the largest element$/m,
    );
    expect(
      told(new Map([["y", halves(512, 0.25)]]), new Map([["y", halves(512, 1.25)]]), { halfUlps: 4 }),
    ).toMatch(/ equal within 4 last places of the largest element$/m);
    expect(told(outputs(1), outputs(1.5))).toMatch(/ differs by more than 1e-4$/m);
  });
});

describe("half precision", () => {
  it("is compared in last places of the largest element", () => {
    // At 512 a last place is 0.5; the small element is rounded as the large one is.
    expect(compare(halves(512, 0.25), halves(512, 1.25), 1e-5, 4)).toMatchObject({ same: true, maxAbs: 1 });
    expect(compare(halves(512, 0.25), halves(514.5, 0.25), 1e-5, 4)).toMatchObject({ same: false });
    expect(compare(halves(1, 0.25), halves(1, 1.25), 1e-5, 4)).toMatchObject({ same: false });
    expect(compare(halves(512, 0.25), halves(512, 1.25), 1e-5)).toMatchObject({ same: false });
  });

  it("lets no NaN through", () => {
    expect(compare(halves(512), halves(NaN), 1e-5, 4)).toMatchObject({ same: false, maxAbs: null });
  });
});

/** y differs in each run; each node has a stream of random numbers of its own. */
function random(name: string, stream: number): string {
  const streams = Array.from({ length: stream + 1 }, (_, i) => ({
    op: "RandomNormalLike",
    in: ["x"],
    out: [`noise${i}`],
  }));
  return graphFile(name, {
    inputs: { x: [FLOAT, ["batch", "sequence", 4]] },
    outputs: { y: [FLOAT, ["batch", "sequence", 4]] },
    nodes: [...streams, { op: "Sum", in: ["x", ...streams.map(({ out }) => out[0] ?? "")], out: ["y"] }],
  });
}

describe("verify", () => {
  it("asks for a control once, and only where something differs", async () => {
    let asked = 0;
    const control = (): Promise<string | null> => {
      asked++;
      return Promise.resolve(null);
    };
    const [one, other] = [scaled("one.onnx", 2), scaled("other.onnx", 3)];
    expect((await verify(one, one, { control })).same).toBe(true);
    expect(asked).toBe(0);
    expect((await verify(one, other, { control })).same).toBe(false);
    expect(asked).toBe(1);
  });

  it("does not lay the base's own randomness at the compiled graph's door", async () => {
    const report = await verify(random("a.onnx", 0), random("b.onnx", 1));
    expect(report.same).toBe(true);
    expect(reportText(report)).toMatch(/as far off as the base is from itself/);
    expect(reportText(report)).toMatch(/the base itself at all: two runs differ by [\d.e+-]+ in y/);
    const found = await verify(scaled("sure.onnx", 1), random("c.onnx", 0));
    expect(found.same).toBe(false);
  });

  it("accepts what a control computes otherwise", async () => {
    const [base, compiled] = [scaled("plain.onnx", 1), scaled("rounded.onnx", 1.0001)];
    const control = (): Promise<string> => Promise.resolve(scaled("control.onnx", 1.0001));
    expect((await verify(base, compiled)).same).toBe(false);
    expect((await verify(base, compiled, { control })).same).toBe(true);
  });

  it("names the level at which onnxruntime refuses a model", async () => {
    const file = scaled("fine.onnx", 1);
    const broken = graphFile("broken.onnx", {
      inputs: { x: [FLOAT, ["batch", "sequence", 4]] },
      outputs: { y: [FLOAT, ["batch", "sequence", 4]] },
      nodes: [{ op: "NoSuchOp", in: ["x"], out: ["y"] }],
    });
    for (const level of ["off", "all"] as const) {
      await expect(verify(file, broken, { levels: [level] })).rejects.toMatchObject({
        code: "RUNTIME_FAILED",
        diagnostics: [{ what: expect.stringContaining(`(optimizations ${level})`), place: { file: broken } }],
      });
    }
  });

  it("tells what it is doing, and stops when it is told to", async () => {
    const file = scaled("told.onnx", 1);
    const told: string[] = [];
    await verify(file, file, { progress: (doing) => told.push(doing), cases: [sizes] });
    expect(told).toEqual([
      "optimizations off: loading",
      "optimizations off: case 1 of 1 (batch 1, sequence 2, past 0)",
      "optimizations all: loading",
      "optimizations all: case 1 of 1 (batch 1, sequence 2, past 0)",
    ]);
    await expect(verify(file, file, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
  });

  it("keeps cache positions within a cache of fixed size", async () => {
    // One row of eight is gathered by each position: one beyond it would be an error.
    const file = graphFile("static.onnx", {
      inputs: {
        input_ids: [INT64, [1, "sequence"]],
        cache_position: [INT64, ["sequence"]],
        "past_key_values.0.key": [FLOAT, [1, 2, 8, 4]],
      },
      outputs: { y: [FLOAT, [1, 2, "sequence", 4]], ids: [INT64, [1, "sequence"]] },
      nodes: [
        { op: "Gather", in: ["past_key_values.0.key", "cache_position"], out: ["y"], ints: { axis: 2 } },
        { op: "Identity", in: ["input_ids"], out: ["ids"] },
      ],
    });
    const report = await verify(file, file, { levels: ["off"] });
    expect(report.levels[0]?.cases).toEqual([
      { batch: 1, sequence: 1, past: 0 },
      { batch: 1, sequence: 5, past: 0 },
      { batch: 1, sequence: 1, past: 7 },
    ]);
    expect(report.skipped.map(({ reason }) => reason)).not.toContainEqual(
      expect.stringContaining("refuses it"),
    );
    expect(report.skipped).toContainEqual({
      case: { batch: 1, sequence: 16, past: 0 },
      reason: "the cache has room for 8 tokens",
    });
  });
});
