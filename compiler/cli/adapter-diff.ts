import { Command } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { number } from "../pass/options.ts";
import { diffAdapters } from "../compile/adapter/diff.ts";
import { distanceText, type Comparison, type Difference, type Distance } from "../weights/compare.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { groupBy, rangesText } from "./adapter-text.ts";
import { grouped, printResult, rows } from "./output.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly tolerance: string;
  readonly json: boolean;
}

/** Lines of the report's text; the JSON has all. */
const SHOWN = 20;

const toleranceOption = number({ help: "allowed between two numbers", default: 0, min: 0 });

/**
 * `tfc adapter diff <a> <b>`: what two adapters differ in, whatever their formats.
 *
 * The action throws ADAPTERS_DIFFER, after the report, when they do.
 */
export function diffCommand(): Command {
  return withHints(
    new Command("diff")
      .description("compare two adapters: sites, settings, shapes and numbers")
      .argument("<a>", "an adapter in any format")
      .argument("<b>", "another one")
      .option("--tolerance <x>", "allowed between two numbers, absolute or relative", "0")
      .option("--json", "print one JSON object", false),
  ).action((a: string, b: string, flags: Flags) => {
    const tolerance = toleranceOption.check(flags.tolerance, "--tolerance");
    const diff = diffAdapters(a, b, { tolerance, settings: hintsOf(flags) });
    const { differences } = diff;
    printResult(flags.json, diff, () => text(diff));
    const [worst] = differences;
    if (worst === undefined) return;
    throw inputError(
      "ADAPTERS_DIFFER",
      { file: b, ...(worst.name === "" ? {} : { name: worst.name }) },
      { differences: differences.length, first: differenceText(worst) },
    );
  });
}

function text({ differences, distances }: Comparison): string {
  const lines = linesOf(differences);
  const shown = lines.slice(0, SHOWN);
  if (lines.length > SHOWN) shown.push(`… and ${grouped(lines.length - SHOWN)} more lines (--json has all)`);
  return rows([
    ["compared", `${grouped(distances.length)} weights`],
    ["numbers", worstText(distances)],
    ["differences", shown.length === 0 ? "none" : shown.join("\n")],
  ]);
}

function worstText(distances: readonly Distance[]): string {
  const absolute = distances.reduce((most, one) => Math.max(most, one.absolute), 0);
  const relative = distances.reduce((most, one) => Math.max(most, one.relative), 0);
  return absolute === 0 ? "equal" : `at most ${distanceText({ absolute, relative })}`;
}

/** Layers that say the same of the same module are one line; numbers say the most of all. */
function linesOf(differences: readonly Difference[]): string[] {
  const named = differences.map((one) => {
    const [, layer, rest = one.name] = /^model\.layers\.(\d+)\.(.*)$/.exec(one.name) ?? [];
    return { ...one, rest: rest || "base", layer: layer === undefined ? null : Number(layer) };
  });
  const groups = groupBy(
    named,
    (one) => `${one.rest} ${one.distance === null ? differenceText(one) : "numbers"}`,
  );
  return groups.map(([, [first, ...others]]) => {
    if (first === undefined) return "";
    const all = [first, ...others];
    const layers = all.flatMap(({ layer }) => (layer === null ? [] : [layer]));
    const distances = all.flatMap(({ distance }) => (distance === null ? [] : [distance]));
    const said = distances.length === 0 ? differenceText(first) : `numbers ${worstText(distances)}`;
    return `${first.rest}${layers.length === 0 ? "" : `@${rangesText(layers)}`}: ${said}`;
  });
}

function differenceText({ what, a, b, distance }: Difference): string {
  if (distance !== null) return `numbers ${distanceText(distance)}`;
  if (what === "site" || what === "override") return a === null ? "only in the second" : "only in the first";
  return `${what} ${a ?? ""} and ${b ?? ""}`;
}
