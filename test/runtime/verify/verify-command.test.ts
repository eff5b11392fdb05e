import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { verifyCommand } from "../../../compiler/cli/verify.ts";
import { FLOAT, graphFile, scaled } from "../graphs.ts";

let printed = "";
beforeEach(() => {
  printed = "";
  jest.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
});

async function run(...args: string[]): Promise<void> {
  await verifyCommand().parseAsync(args, { from: "user" });
}

describe("tfc verify", () => {
  it("prints a table", async () => {
    const file = scaled("same.onnx", 2);
    await run(file, file);
    expect(printed).toMatch(
      /^optimizations {2}cases .*\noff .* equal\nall .* equal\nskipped batch 1, sequence 1, past 7/,
    );
  });

  it("prints one JSON object", async () => {
    const file = scaled("json.onnx", 2);
    await run(file, file, "--json", "--optimizations", "off", "--seed", "3", "--vocabulary", "9");
    expect(JSON.parse(printed)).toMatchObject({
      base: file,
      seed: 3,
      same: true,
      levels: [{ optimizations: "off" }],
    });
  });

  it("fails after the report where outputs differ", async () => {
    const [base, compiled] = [scaled("two.onnx", 2), scaled("almost.onnx", 2.001)];
    await expect(run(base, compiled, "--json")).rejects.toMatchObject({
      code: "OUTPUTS_DIFFER",
      diagnostics: [
        { place: { file: compiled }, wanted: expect.stringContaining("within 0 (optimizations off)") },
      ],
    });
    expect(JSON.parse(printed)).toMatchObject({ same: false });
    await run(base, compiled, "--tolerance", "0.01", "--tolerance-exact", "0.01");
    expect(printed).toContain("equal within 1e-2");
  });

  it("runs the cases and sizes that are asked for", async () => {
    const file = graphFile("sized.onnx", {
      inputs: { x: [FLOAT, ["batch", "sequence", "width"]] },
      outputs: { y: [FLOAT, ["batch", "sequence", "width"]] },
      constants: { shape: [0, 0, 2, 3], flat: [0, 0, 6] },
      nodes: [
        { op: "Reshape", in: ["x", "shape"], out: ["parted"] },
        { op: "Reshape", in: ["parted", "flat"], out: ["y"] },
      ],
    });
    await run(file, file, "--json", "--cases", "3x2,1x4", "--size", "width=6");
    const { levels } = JSON.parse(printed) as { levels: { cases: unknown }[] };
    expect(levels.map(({ cases }) => cases)).toEqual([
      [
        { batch: 3, sequence: 2, past: 0 },
        { batch: 1, sequence: 4, past: 0 },
      ],
      expect.anything(),
    ]);
    await expect(run(file, file, "--size", "hidden=6")).rejects.toMatchObject({
      code: "VERIFY_SYMBOL",
      diagnostics: [{ wanted: "one of batch, sequence, width" }],
    });
  });

  it("shows on a terminal what it is doing, on a line that it takes away", async () => {
    const { stderr } = process;
    const before = [stderr.isTTY, stderr.columns] as const;
    let shown = "";
    jest.spyOn(stderr, "write").mockImplementation((text) => {
      shown += String(text);
      return true;
    });
    Object.assign(stderr, { isTTY: true, columns: 40 });
    try {
      const file = scaled("shown.onnx", 2);
      await run(file, file, "--json");
    } finally {
      Object.assign(stderr, { isTTY: before[0], columns: before[1] });
    }
    const lines = shown.split("\r");
    expect(lines.map((line) => line.trimEnd())).toContain("optimizations off: case 2 of 5 (batch 1");
    expect(lines.every((line) => line.length < 40)).toBe(true);
    expect(lines.at(-1)).toBe("");
    expect(JSON.parse(printed)).toMatchObject({ same: true });
  });

  it.each([
    ["--cases", "0x3"],
    ["--cases", "big"],
    ["--size", "width"],
    ["--size", "width=0"],
    ["--tolerance-ulps", "-1"],
    ["--tolerance", "-1"],
    ["--tolerance", "much"],
    ["--seed", "1.5"],
    ["--vocabulary", "-4"],
  ])("refuses %s %s", async (option, value) => {
    await expect(run("a.onnx", "b.onnx", option, value)).rejects.toMatchObject({
      code: "OPTION_OUT_OF_RANGE",
    });
  });
});
