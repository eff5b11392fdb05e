import { median } from "../../bench/median.mjs";
import { markdownTable } from "../../bench/table.mjs";

/** How far logits may be from those in float32, in their standard deviations. */
const ALLOWED = { fp32: 1e-3, fp16: 0.05, bf16: 0.4 };

/** How much farther than the graph that was not lowered a lowered one may be. */
const FARTHER = 2;

/** Attention's results in float16: of the order of their last places. */
const PAGED_ALLOWED = 0.02;

/**
 * Of each graph, how far its logits are from the base's in float32 on the CPU.
 *
 * @returns `{ rows, failed }`, the names of those that are too far or do not run
 */
export function judgedNumbers(graphs, results) {
  const found = graphs.map(({ name, dtype, isBaseline }) => {
    const { difference, deviation, error } = results.find(({ graph }) => graph === name) ?? {
      error: "no result",
    };
    return { name, dtype, isBaseline, error, relative: error === undefined ? difference / deviation : null };
  });
  const rows = found.map(({ name, dtype, isBaseline, error, relative }) => {
    const baseline = found.find((one) => one.isBaseline && one.dtype === dtype)?.relative ?? null;
    const allowed =
      isBaseline || baseline === null
        ? ALLOWED[dtype]
        : Math.min(ALLOWED[dtype], Math.max(FARTHER * baseline, ALLOWED[dtype] / 10));
    return { name, error, relative, allowed, isRight: relative !== null && relative <= allowed };
  });
  return { rows, failed: rows.filter(({ isRight }) => !isRight).map(({ name }) => name) };
}

export function numbersTable({ rows }) {
  const text = rows.map(({ name, error, relative, allowed, isRight }) =>
    error === undefined
      ? [name, relative.toPrecision(2), allowed.toPrecision(2), isRight ? "right" : "**too far**"]
      : [name, "", "", "**fails**"],
  );
  return markdownTable(["graph", "largest difference / standard deviation", "allowed", ""], text);
}

/** Why something has no result, a line for each reason. */
export function errorsText(results) {
  const by = new Map();
  for (const { graph, column, error } of results) {
    if (error === undefined) continue;
    const what = [graph, column].filter((name) => name !== undefined && name !== null).join(": ");
    by.set(error, [...(by.get(error) ?? []), what]);
  }
  return [...by].map(([error, names]) => `- ${names.join("; ")}: ${error}`).join("\n");
}

export function timesTable(columns, graphs, results) {
  const names = columns.map(({ name }) => name);
  const cell = (graph, column) => results.find((one) => one.graph === graph && one.column === column);
  const bases = names.map((column) =>
    milliseconds(results.filter((one) => one.column === column).flatMap(({ base = [] }) => base)),
  );
  const rows = graphs.map(({ name }) => {
    const whole = cell(name, null);
    if (whole !== undefined) return [name, ...names.map(() => "fails")];
    return [name, ...names.map((column) => timesText(cell(name, column)))];
  });
  return markdownTable(["", ...names], [["the export, float16", ...bases], ...rows]);
}

function timesText(one) {
  if (one === undefined) return "–";
  if (one.error !== undefined) return "fails";
  const ratio = median(one.base.map((time, i) => time / one.times[i]));
  return `${milliseconds(one.times)}, ${ratio.toFixed(2)} ×`;
}

/** How far gradients may be from those in float32, in parts of the largest number of their tensor. */
const GRADIENTS_ALLOWED = { fp32: 1e-3, fp16: 0.05, bf16: 0.3 };

/** @returns `{ text, failed }` */
export function trainTable(graphs, results) {
  const failed = [];
  const rows = graphs.map(({ name, dtype }) => {
    const { difference, elsewhere, error } = results.find(({ graph }) => graph === name) ?? {
      error: "no result",
    };
    const allowed = GRADIENTS_ALLOWED[dtype];
    const isRight = error === undefined && difference <= allowed && elsewhere.length === 0;
    if (!isRight) failed.push(`training, ${name}`);
    if (error !== undefined) return [name, "", "", "", "**fails**"];
    const verdict = isRight ? "right" : difference <= allowed ? "**on the CPU**" : "**too far**";
    return [name, (difference ?? NaN).toPrecision(2), String(allowed), elsewhere.join(", ") || "–", verdict];
  });
  const head = ["graph", "largest difference / largest number", "allowed", "layers' ops on the CPU", ""];
  return { text: markdownTable(head, rows), failed };
}

export function trainTimesTable(results) {
  const torch = results.find(({ graph }) => graph === "PyTorch")?.times;
  const rows = results.map(({ graph, times, error }) => {
    if (error !== undefined) return [graph, "fails", ""];
    const ratio = torch === undefined ? "–" : `${(median(times) / median(torch)).toFixed(2)} ×`;
    return [graph, milliseconds(times), ratio];
  });
  return markdownTable(["", "step", "PyTorch's time"], rows);
}

/** @returns `{ text, failed }` */
export function pagedTable(results) {
  const failed = [];
  const rows = results.map(({ column, op, lowered, difference, deviation, error }) => {
    if (error !== undefined) {
      failed.push(`PagedAttention, ${column}`);
      return [column, "fails", "", "", ""];
    }
    const [far, farLowered] = [difference.op, difference.lowered].map((one) =>
      one === undefined ? null : one / deviation,
    );
    if ([far, farLowered].some((one) => one !== null && !(one <= PAGED_ALLOWED)))
      failed.push(`PagedAttention, ${column}`);
    const faster = op === undefined ? "–" : `${median(lowered.map((time, i) => time / op[i])).toFixed(1)} ×`;
    const text = (one) => (one === null ? "–" : one.toPrecision(2));
    return [
      column,
      op === undefined ? "–" : milliseconds(op),
      milliseconds(lowered),
      faster,
      `${text(far)}, ${text(farLowered)}`,
    ];
  });
  const head = [
    "",
    "PagedAttention",
    "in standard ops",
    "lowered / op",
    "differences from float32 / standard deviation",
  ];
  return { text: markdownTable(head, rows), failed };
}

function milliseconds(seconds) {
  return seconds.length === 0 ? "–" : `${(1000 * median(seconds)).toPrecision(3)} ms`;
}
