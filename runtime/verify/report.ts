import { caseText } from "../session/dims.ts";
import type { LevelReport } from "./tally.ts";
import type { Report } from "./verify.ts";

/** A report as a short table, with the worst output of each level that is not equal, and what was skipped. */
export function reportText(report: Report): string {
  const rows = [
    ["optimizations", "cases", "outputs", "max abs", "max rel", "result"],
    ...report.levels.map((level) => [
      level.optimizations,
      String(level.cases.length),
      String(level.outputs),
      numberText(level.maxAbs),
      numberText(level.maxRel),
      resultText(level),
    ]),
  ];
  const lines = [...table(rows)];
  for (const { optimizations, worst } of report.levels) {
    if (worst === null) continue;
    lines.push(`worst at ${optimizations}: ${worst.output}${worst.detail} (${caseText(worst.case)})`);
  }
  for (const { case: sizes, reason, optimizations } of report.skipped) {
    lines.push(
      `skipped ${caseText(sizes)}${optimizations === undefined ? "" : ` at ${optimizations}`}: ${reason}`,
    );
  }
  return lines.join("\n");
}

function resultText({ exact, same, tolerance }: LevelReport): string {
  if (exact) return "equal";
  return `${same ? "equal within" : "differs by more than"} ${tolerance === 0 ? "0" : tolerance.toExponential()}`;
}

function numberText(value: number | null): string {
  if (value === null) return "-";
  return value === 0 ? "0" : value.toExponential(1);
}

/** Columns as wide as their widest cell; numbers to the right, words to the left. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column > 0 && column < row.length - 1 ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
