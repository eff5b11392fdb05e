import { describe, expect, it } from "@jest/globals";
import { speed, speedTable, targetTable, type Result } from "../../bench/lower-tables.mjs";

const COLUMN = "decode, past 128";

/** A graph that takes these times where the export takes one second. */
function graph(name: string, times: readonly number[], more: Partial<Result> = {}): Result {
  const base = times.map(() => 1);
  return {
    ...{ name, by: "tfc", precision: "fp32" },
    cells: { [COLUMN]: { base, times, difference: 1e-5 } },
    ...more,
  };
}

/** The row of a table that begins with a text, without its padding. */
function row(table: string, beginning: string): readonly string[] | undefined {
  const rows = table.split("\n").map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return rows.find(([first]) => first?.startsWith(beginning) === true);
}

describe("the benchmark of lowering", () => {
  it("compares round by round, and the fastest of all", () => {
    expect(speed({ base: [4, 6, 8], times: [2, 2, 4] })).toEqual({ middle: 2, fastest: 2 });
    expect(speed({ base: [1, 1, 100], times: [1, 0.5, 100] })).toEqual({ middle: 1, fastest: 2 });
  });

  it("shows times of the export, ratios, and what is not there", () => {
    const table = speedTable(
      [COLUMN],
      [
        graph("lowered", [0.5, 0.5]),
        { name: "other", by: "tool", precision: "fp32", missing: "not installed" },
        graph("refuses", [1], { cells: { [COLUMN]: { error: "too long" } } }),
      ],
    );
    expect(row(table, "the export")).toEqual(["the export", "1000 ms", ""]);
    expect(row(table, "lowered")).toEqual(["lowered", "2.00 × (2.00)", "1e-5"]);
    expect(row(table, "other")).toEqual(["other", "not installed", ""]);
    expect(row(table, "refuses")).toEqual(["refuses", "refused", ""]);
  });

  it("holds the best of tfc's graphs without adapters against the targets", () => {
    const results = [
      graph("genai", [0.6], { by: "tool" }),
      graph("joined", [0.8]),
      graph("shared", [0.625]),
      graph("adapted", [0.65], { twin: "shared" }),
    ];
    const table = targetTable("large", [COLUMN], results);
    expect(row(table, `${COLUMN}: at least 1.3 ×`)?.[1]).toBe("met: 1.60 × (shared)");
    expect(row(table, `${COLUMN}: within 5%`)?.[1]).toBe("met: 1.60 × (shared); 1.67 × (genai)");
    expect(row(table, "adapted: at most 5%")?.[1]).toBe("met: 4.0%");
    expect(row(table, "logits differ")?.[1]).toBe("met: 1.0e-5");
  });

  it("says what is not met", () => {
    const results = [
      graph("genai", [0.5], { by: "tool" }),
      graph("shared", [0.9]),
      graph("adapted", [1], { twin: "shared" }),
      graph("genai, int4", [0.1], { by: "tool", precision: "int4" }),
      graph("int4", [0.2], { precision: "int4" }),
    ];
    const table = targetTable("large", [COLUMN], results);
    expect(row(table, `${COLUMN}: at least 1.3 ×`)?.[1]).toMatch(/^\*\*not met\*\*: 1\.11 ×/);
    expect(row(table, `${COLUMN}: within 5%`)?.[1]).toMatch(/^\*\*not met\*\*/);
    expect(row(table, "adapted: at most 5%")?.[1]).toBe("**not met**: 11.1%");
    expect(row(table, `int4, ${COLUMN}: at least 6`)?.[1]).toMatch(/^\*\*not met\*\*: 5\.00 ×/);
    expect(row(table, `int4, ${COLUMN}: level`)?.[1]).toMatch(/^\*\*not met\*\*: 5\.00 ×.*10\.00 ×/);
  });
});
