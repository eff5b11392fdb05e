import { caseText } from "../session/dims.ts";
import type { LevelReport, Noise } from "./tally.ts";
import type { Report } from "./verify.ts";

/** Levels as a table, with the worst output of each that is not equal. */
export function levelsText(levels: readonly LevelReport[]): string {
  return reportText({ levels, skipped: [] });
}

/** A report as a short table, with the worst output of each level that is not equal, and what was skipped. */
export function reportText(report: Pick<Report, "levels" | "skipped">): string {
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
  lines.push(...report.levels.flatMap(noiseLines));
  for (const { case: sizes, reason, optimizations } of report.skipped) {
    lines.push(
      `skipped ${caseText(sizes)}${optimizations === undefined ? "" : ` at ${optimizations}`}: ${reason}`,
    );
  }
  return lines.join("\n");
}

/** A line for each output that the base does not give twice alike, with the largest of its cases. */
function noiseLines({ optimizations, noise }: LevelReport): string[] {
  const largest = new Map<string, Noise>();
  for (const one of noise) {
    // Nearly every output shows roundings: one line says how much they are.
    const key = one.between === "roundings" ? one.between : one.output;
    const before = largest.get(key);
    if (before === undefined || (one.maxAbs ?? Infinity) > (before.maxAbs ?? Infinity)) largest.set(key, one);
  }
  return [...largest.values()].map(({ output, between, maxAbs }) => {
    const far = maxAbs === null ? "by more than a number says" : `by ${numberText(maxAbs)}`;
    if (between === "roundings")
      return `what it is held against, at ${optimizations} with what modules read changed as roundings do, differs ${far} in ${output}`;
    return between === "runs"
      ? `the base itself at ${optimizations}: two runs differ ${far} in ${output}`
      : `the base at ${optimizations} with its modules named and nothing added differs ${far} in ${output}`;
  });
}

function resultText({ exact, same, by, tolerance, halfUlps, share }: LevelReport): string {
  if (exact) return "equal";
  const within = tolerance === 0 ? "0" : tolerance.toExponential();
  if (!same) return `differs by more than ${within}`;
  switch (by) {
    case "noise":
      return "as far off as the base is from itself";
    case "share":
      return `equal within ${share.toExponential()} of the largest element`;
    case "ulps":
      return `equal within ${halfUlps} last places of the largest element`;
    case "relative":
      return `equal within ${within} + ${within} of each element`;
    case "absolute":
    case null:
      return `equal within ${within}`;
  }
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
