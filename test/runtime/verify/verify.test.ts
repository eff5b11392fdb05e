import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { reportText } from "../../../runtime/verify/report.ts";
import { verify } from "../../../runtime/verify/verify.ts";
import { FLOAT, graphFile, INT64, scaled } from "../graphs.ts";

const sample = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama");

describe("verify", () => {
  it("finds a model equal to itself, with plain data for a report", async () => {
    const file = path.join(sample, "dynamo/model.onnx");
    const report = await verify(file, file);
    expect(report.same).toBe(true);
    expect(
      report.levels.map(({ optimizations, exact, cases, outputs }) => [
        optimizations,
        exact,
        cases.length,
        outputs,
      ]),
    ).toEqual([
      ["off", true, 9, 13],
      ["all", true, 9, 13],
    ]);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(reportText(report)).toBe(
      [
        "optimizations  cases  outputs  max abs  max rel  result",
        "off                9       13        0        0  equal",
        "all                9       13        0        0  equal",
      ].join("\n"),
    );
  });

  it("tells two exports of one model apart bit for bit, and knows them the same within rounding", async () => {
    const [a, b] = ["dynamo", "torchscript"].map((style) => path.join(sample, style, "model.onnx"));
    const report = await verify(a ?? "", b ?? "", { tolerance: 1e-4, toleranceExact: 1e-4 });
    expect(report.same).toBe(true);
    expect(report.levels.every(({ exact, maxAbs }) => !exact && maxAbs !== null && maxAbs < 1e-4)).toBe(true);
  });

  it("reports how far apart two graphs are, and where", async () => {
    const report = await verify(scaled("one.onnx", 1), scaled("more.onnx", 1.5), {
      cases: [{ batch: 1, sequence: 2, past: 0 }],
      levels: ["off"],
    });
    expect(report.same).toBe(false);
    expect(report.levels[0]).toMatchObject({
      exact: false,
      same: false,
      worst: { output: "y", case: { batch: 1, sequence: 2, past: 0 } },
    });
    expect(report.levels[0]?.maxRel).toBeCloseTo(1 / 3, 6);
    expect(reportText(report)).toMatch(
      /differs by more than 0\nworst at off: y\[0,[01],\d\]: .* instead of .* \(batch 1/,
    );
  });

  it("skips what only the base model refuses, with onnxruntime's words", async () => {
    const file = onlyFive("five.onnx");
    const report = await verify(file, file, { levels: ["off"] });
    expect(report.levels[0]?.cases.map(({ sequence }) => sequence)).toEqual([5, 5]);
    expect(report.skipped).toContainEqual({
      case: { batch: 1, sequence: 16, past: 0 },
      optimizations: "off",
      reason: expect.stringMatching(/^the base model refuses it: .*Reshape/),
    });
    expect(reportText(report)).toContain(
      "skipped batch 1, sequence 16, past 0 at off: the base model refuses it",
    );
    const both = await verify(file, file);
    expect(both.skipped).toHaveLength(report.skipped.length);
    expect(reportText(both)).toContain("skipped batch 1, sequence 16, past 0: the base model refuses it");
  });

  it("makes an error of what only the compiled graph refuses", async () => {
    const [base, compiled] = [scaled("any.onnx", 1), onlyFive("only-five.onnx")];
    await expect(verify(base, compiled)).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
      diagnostics: [
        { place: { file: compiled }, found: expect.stringContaining("in batch 1, sequence 1, past 0") },
      ],
    });
  });

  it("does not call graphs the same that it could not run", async () => {
    const file = onlyFive("never.onnx");
    const cases = [{ batch: 1, sequence: 1, past: 0 }];
    await expect(verify(file, file, { cases })).rejects.toMatchObject({ code: "VERIFY_NO_CASE" });
  });

  it("refuses graphs of different inputs or outputs", async () => {
    const renamed = graphFile("renamed.onnx", {
      inputs: { x: [FLOAT, ["batch", "sequence", 4]] },
      outputs: { z: [FLOAT, ["batch", "sequence", 4]] },
      nodes: [{ op: "Identity", in: ["x"], out: ["z"] }],
    });
    await expect(verify(scaled("named.onnx", 1), renamed)).rejects.toMatchObject({
      code: "VERIFY_INTERFACE",
      diagnostics: [{ wanted: "y (float)", found: "z (float)" }],
    });
    const retyped = graphFile("retyped.onnx", {
      inputs: { x: [INT64, ["batch", "sequence", 4]] },
      outputs: { y: [INT64, ["batch", "sequence", 4]] },
      nodes: [{ op: "Identity", in: ["x"], out: ["y"] }],
    });
    await expect(verify(scaled("typed.onnx", 1), retyped)).rejects.toThrow("x (float), found x (int64)");
  });
});

/** y = x; the Reshape comes out where the sequence is a multiple of 5 only. */
function onlyFive(name: string): string {
  return graphFile(name, {
    inputs: { x: [FLOAT, ["batch", "sequence", 4]] },
    outputs: { y: [FLOAT, ["batch", "sequence", 4]] },
    constants: { shape: [-1, 5, 4] },
    nodes: [{ op: "Reshape", in: ["x", "shape"], out: ["y"] }],
  });
}
