import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { verifyCommand } from "../../../compiler/cli/verify.ts";
import { scaled } from "../graphs.ts";

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

  it.each([
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
