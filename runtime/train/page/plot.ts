import { scaleLinear, scaleLog } from "d3-scale";
import { line } from "d3-shape";
import type { Point } from "./series.ts";

/** A line of a plot. */
export interface PlottedSeries {
  readonly name: string;
  /** `train`, `mean` or `evaluation`: how it is drawn. */
  readonly look: "train" | "mean" | "evaluation";
  readonly points: readonly Point[];
}

/** What a plot shows. */
export interface Plot {
  readonly title: string;
  readonly series: readonly PlottedSeries[];
  /** Steps of the whole run: the plot leaves room for those that are to come. */
  readonly steps: number;
  /** Whether the axis may be a logarithm's, where numbers are far apart. */
  readonly mayBeLog?: boolean;
  readonly width?: number;
  readonly height?: number;
}

const MARGIN = { top: 34, right: 16, bottom: 34, left: 58 };
/** Characters of a number that fit beside the axis. */
const LONGEST = 7;
/** The largest number may be this many times the smallest before the axis is a logarithm's. */
const WIDE = 30;

const STYLE = `
  .plot { font: 12px system-ui, sans-serif; --ink: #1b1f24; --faint: #d5dae0; --train: #9db4d0; --mean: #1f5fa8; --evaluation: #c2500a; }
  @media (prefers-color-scheme: dark) { .plot { --ink: #e3e7ec; --faint: #3a424c; --train: #4a6688; --mean: #7db4f0; --evaluation: #f2994e; } }
  .plot text { fill: var(--ink); } .plot .title { font-weight: 600; } .plot .grid { stroke: var(--faint); }
  .plot path, .plot .key { fill: none; stroke-width: 1; } .plot .mean { stroke-width: 2; }
  .plot .train { stroke: var(--train); } .plot .mean { stroke: var(--mean); } .plot .evaluation { stroke: var(--evaluation); stroke-width: 2; }
  .plot .dot { fill: var(--evaluation); stroke: none; }`;

/** Draws numbers over steps, as an SVG that stands alone or in a page. */
export function plotSvg(plot: Plot): string {
  const { title, series, steps, mayBeLog = false, width = 760, height = 300 } = plot;
  const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
  const x = scaleLinear([0, Math.max(1, steps)], [MARGIN.left, right]);
  const values = series.flatMap(({ points }) => points.map(({ value }) => value));
  const { y, ticks } = yScale(values, [bottom, MARGIN.top], mayBeLog);
  const grid = ticks.map(({ value, text }) => {
    const at = round(y(value));
    return `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${at}" y2="${at}"/><text x="${MARGIN.left - 8}" y="${at + 4}" text-anchor="end">${text}</text>`;
  });
  const below = x
    .ticks(width < 500 ? 4 : 8)
    .filter(Number.isInteger)
    .map(
      (step) =>
        `<text x="${round(x(step))}" y="${bottom + 18}" text-anchor="middle">${step.toLocaleString("en-US")}</text>`,
    );
  const path = line<Point>(
    ({ step }) => round(x(step)),
    ({ value }) => round(y(value)),
  );
  const lines = series.map(({ look, points }) => {
    const dots =
      look === "evaluation"
        ? points.map((p) => `<circle class="dot" cx="${round(x(p.step))}" cy="${round(y(p.value))}" r="3"/>`)
        : [];
    return `<path class="${look}" d="${path(points) ?? ""}"/>${dots.join("")}`;
  });
  const empty =
    values.length > 0
      ? ""
      : `<text x="${width / 2}" y="${height / 2}" text-anchor="middle">nothing yet</text>`;
  const heading = `<text class="title" x="${MARGIN.left}" y="18">${escaped(title)}</text>`;
  const parts = [heading, ...keyOf(series, right), ...grid, ...below, ...lines, empty];
  return `<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}"><style>${STYLE}</style>${parts.join("")}</svg>`;
}

/** What each line is, from the right. */
function keyOf(series: readonly PlottedSeries[], right: number): readonly string[] {
  let at = right;
  const named = series.filter(({ name }) => name !== "");
  return named.reverse().map(({ name, look }) => {
    // System fonts are about this wide.
    at -= 7 * name.length + 36;
    return `<line class="key ${look}" x1="${at}" x2="${at + 20}" y1="14" y2="14"/><text x="${at + 26}" y="18">${escaped(name)}</text>`;
  });
}

interface Tick {
  readonly value: number;
  readonly text: string;
}

function yScale(
  values: readonly number[],
  range: readonly [number, number],
  mayBeLog: boolean,
): { readonly y: (value: number) => number; readonly ticks: readonly Tick[] } {
  const [low, high] = values.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  );
  const domain = values.length === 0 ? [0, 1] : low === high ? [low - 0.5, high + 0.5] : [low, high];
  const isLog = mayBeLog && low > 0 && high / low > WIDE;
  const scale = (isLog ? scaleLog(domain, range) : scaleLinear(domain, range)).nice();
  const ticks = scale.ticks(5);
  const plain = scale.tickFormat(5, isLog ? "~g" : undefined);
  // Beside the axis there is no room for more; `1e+9` fits.
  const short = scale.tickFormat(5, "~e");
  const isLong = ticks.some((value) => plain(value).length > LONGEST);
  const text = (value: number): string => (!isLong ? plain(value) : value === 0 ? "0" : short(value));
  return { y: scale, ticks: ticks.map((value) => ({ value, text: text(value) })) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A text in HTML or SVG. */
export function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
  return text.replace(/[&<>"]/g, (one) => `&${names[one] ?? ""};`);
}
