import { median } from "./median.mjs";
import { markdownTable } from "./table.mjs";

/** How often the base's time another's is: by the rounds' ratios, and by the fastest of each. */
export function speed({ base, times }) {
  return {
    middle: median(base.map((time, i) => time / times[i])),
    fastest: Math.min(...base) / Math.min(...times),
  };
}

/**
 * The variants of one model against the export.
 *
 * @param columns the columns' names
 * @param results of each variant: `{ name, missing?, cells: { [column]: { base, times, difference } | { error } } }`
 */
export function speedTable(columns, results) {
  const head = ["", ...columns, "difference"];
  const base = columns.map((column) =>
    milliseconds(results.flatMap(({ cells }) => cells?.[column]?.base ?? [])),
  );
  const rows = results.map(({ name, missing, cells }) => {
    if (missing !== undefined) return [name, missing, ...columns.slice(1).map(() => ""), ""];
    const differences = columns
      .map((column) => cells[column]?.difference ?? null)
      .filter((one) => one !== null);
    const largest = differences.length === 0 ? "" : Math.max(...differences).toExponential(0);
    return [name, ...columns.map((column) => speedText(cells[column])), largest];
  });
  return markdownTable(head, [["the export", ...base, ""], ...rows]);
}

function speedText(cell) {
  if (cell === undefined) return "–";
  if (cell.error !== undefined) return "refused";
  const { middle, fastest } = speed(cell);
  return `${middle.toFixed(2)} × (${fastest.toFixed(2)})`;
}

function milliseconds(seconds) {
  if (seconds.length === 0) return "–";
  const time = 1000 * median(seconds);
  return `${time < 10 ? time.toFixed(2) : time.toFixed(0)} ms`;
}

/** What is to be reached over the export: of tfc's variants in 32 bits, the one with shared caches. */
const OVER_EXPORT = {
  large: {
    "decode, past 128": 1.3,
    "decode, past 1,024": 1.5,
    "decode, past 4,096": 2.25,
    "batch 4, past 1,024": 1.9,
    "prefill 512": 1.08,
  },
  small: { "decode, past 128": 1.7, "decode, past 1,024": 2.3, "prefill 512": 1.25 },
  mixture: {},
};

/** Columns of which a step of one token is the whole. */
const isDecode = (column) => column.startsWith("decode");

/**
 * What was to be reached, and what was.
 *
 * @param {"large" | "small" | "mixture"} size
 */
export function targetTable(size, columns, results) {
  const measured = results.filter(({ missing }) => missing === undefined);
  const by = (who, precision) => measured.filter((one) => one.by === who && one.precision === precision);
  const best = (variants, column) =>
    fastest(
      variants.filter(({ twin }) => twin === undefined),
      column,
    );
  const rows = [];
  for (const column of columns) {
    const own = best(by("tfc", "fp32"), column);
    const wanted = OVER_EXPORT[size][column];
    if (own !== null && wanted !== undefined)
      rows.push([`${column}: at least ${wanted} × the export`, verdict(own.times >= wanted, said(own))]);
    const other = best(by("tool", "fp32"), column);
    if (own !== null && other !== null)
      rows.push([
        `${column}: within 5% of the fastest other tool`,
        verdict(own.times >= 0.95 * other.times, `${said(own)}; ${said(other)}`),
      ]);
  }
  // Of the small model an adapter of rank 32 is no small part.
  if (size === "large") rows.push(...fewBits(columns.filter(isDecode), by), ...adapters(columns, measured));
  rows.push(...exactness(by("tfc", "fp32")));
  return markdownTable(["target", "result"], rows);
}

function fewBits(columns, by) {
  return columns.flatMap((column) => {
    const [own, other] = [by("tfc", "int4"), by("tool", "int4")].map((all) =>
      fastest(
        all.filter(({ twin }) => twin === undefined),
        column,
      ),
    );
    if (own === null) return [];
    const rows = [[`int4, ${column}: at least 6 × the export`, verdict(own.times >= 6, said(own))]];
    if (other !== null) {
      const isLevel = own.times >= 0.95 * other.times;
      rows.push([
        `int4, ${column}: level with genai's int4`,
        verdict(isLevel, `${said(own)}; ${said(other)}`),
      ]);
    }
    return rows;
  });
}

/** What adapters cost: of each pair of variants the worst column. */
function adapters(columns, measured) {
  return measured.flatMap((adapted) => {
    const plain = measured.find(({ name }) => name === adapted.twin);
    if (plain === undefined) return [];
    const costs = columns
      .filter((column) => hasTimes(adapted, column) && hasTimes(plain, column))
      .map((column) => speed(plain.cells[column]).middle / speed(adapted.cells[column]).middle - 1);
    if (costs.length === 0) return [];
    const worst = Math.max(...costs);
    const text = `${costs.map((cost) => `${(100 * cost).toFixed(1)}%`).join(", ")}`;
    return [[`${adapted.name}: at most 5% slower than without`, verdict(worst <= 0.05, text)]];
  });
}

function exactness(variants) {
  const differences = variants.flatMap(({ cells }) =>
    Object.values(cells).flatMap(({ difference }) => (difference == null ? [] : [difference])),
  );
  if (differences.length === 0) return [];
  const largest = Math.max(...differences);
  return [
    ["logits differ from the export's by 1e-4 at most", verdict(largest <= 1e-4, largest.toExponential(1))],
  ];
}

function fastest(variants, column) {
  const timed = variants
    .filter((one) => hasTimes(one, column))
    .map((one) => ({ name: one.name, times: speed(one.cells[column]).middle }));
  return timed.reduce((best, one) => (best === null || one.times > best.times ? one : best), null);
}

function hasTimes({ cells }, column) {
  return cells?.[column]?.times !== undefined;
}

function said({ name, times }) {
  return `${times.toFixed(2)} × (${name})`;
}

function verdict(isMet, text) {
  return `${isMet ? "met" : "**not met**"}: ${text}`;
}
