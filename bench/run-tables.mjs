import { markdownTable } from "./table.mjs";

/** Prefill, decode and memory of each engine, and whether all gave the same tokens. */
export function enginesTable(title, results) {
  const head = ["", "prefill", "decode", "both", "peak memory", "tokens"];
  const wanted = results[0].ids.join();
  const rows = results.map(({ name, prefill, decode, whole, memory, ids }) => [
    name,
    `${prefill.toFixed(0)}/s`,
    `${decode.toFixed(1)}/s`,
    `${whole.toFixed(1)}/s`,
    `${(memory / 1e6).toFixed(0)} MB`,
    ids.join() === wanted ? "the same" : "others",
  ]);
  return `${title}\n\n${markdownTable(head, rows)}`;
}

export function requestsTable(rows) {
  return markdownTable(["", "measured"], rows);
}

/** Targets: what, what was reached, and what is wanted: times as much at least, or as many of a unit at most. */
export function targetsTable(targets) {
  const rows = targets.map(([what, reached, wanted, unit]) => {
    const isMet = unit === undefined ? reached >= wanted : reached <= wanted;
    const text = unit === undefined ? `${reached.toFixed(2)} ×` : `${reached.toFixed(2)} ${unit}`;
    return [what, `${isMet ? "met" : "**not met**"}: ${text}`];
  });
  return markdownTable(["target", "result"], rows);
}
