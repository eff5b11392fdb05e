import { compared } from "./adapters-measure.mjs";
import { median } from "./median.mjs";
import { HEADS, RANK, sameParameters } from "./adapters-variants.mjs";
import { markdownTable } from "./table.mjs";

/** The functions alone: microseconds of one adapter, and the transcription's time beside scalarlm's. */
export function functionTimes(measured) {
  const names = {
    scalarlm: `scalarlm, rank ${RANK}`,
    transcription: "ScalarLM's formula",
    pattention: `pattention, ${sameParameters()} tokens`,
    lora: `lora, rank ${sameParameters()}`,
  };
  const rows = measured
    .flatMap((one) => one.measured)
    .map(({ hidden, tokens, times }) => {
      const cells = Object.keys(names).map((name) => `${median(times[name]).toFixed(0)} µs`);
      const faster = ratio(compared(times.transcription, times.scalarlm));
      return [hidden, tokens, ...cells, faster].map(String);
    });
  return markdownTable(["hidden", "tokens", ...Object.values(names), "formula / scalarlm"], rows);
}

/** Numbers for each token in the largest values. */
export function functionSizes(measured) {
  const rows = measured.map(({ hidden, numbers }) => {
    const { scalarlm, transcription } = largest(numbers, hidden);
    const cells = [scalarlm, transcription].map((n) => n.toLocaleString("en"));
    return [hidden, HEADS, RANK, ...cells, `${(transcription / scalarlm).toFixed(0)} ×`].map(String);
  });
  const head = ["hidden", "heads", "rank", "scalarlm", "ScalarLM's formula", "formula / scalarlm"];
  return markdownTable(head, rows);
}

/** Of values that are not as long as x, which each function has copies of and makes one of. */
function largest(numbers, hidden) {
  const of = (all) => Math.max(...all.filter((n) => n !== hidden));
  return Object.fromEntries(Object.entries(numbers).map(([name, all]) => [name, of(all)]));
}

/** A model's variants: milliseconds, and what that is of the base's in the same rounds. */
export function modelTimes(measured) {
  const tokens = measured[0]?.results.map((result) => result.tokens) ?? [];
  const head = [
    "",
    "parameters",
    ...tokens.flatMap((n) => [n === 1 ? "1 token" : `${n} tokens`, "of the base"]),
  ];
  const bases = tokens.map((_, i) =>
    measured.filter(isBeside("base")).flatMap(({ results }) => results[i].base),
  );
  const first = measured[0]?.parameters.base ?? 0;
  const base = ["base", millions(first), ...bases.flatMap((times) => [milliseconds(times), ""])];
  const rows = measured.map(({ name, against, parameters, results }) => [
    against === "base" ? name : `${name}, of ${against}`,
    `+ ${millions(parameters.added)}`,
    ...results.flatMap((result) => [
      milliseconds(result.variant),
      ratio(compared(result.variant, result.base)),
    ]),
  ]);
  return markdownTable(head, [base, ...rows]);
}

const isBeside = (what) => (variant) => variant.against === what;

/** What was to be reached, and what was. `functions` or `model` may be left out. */
export function targets(functions, model) {
  const rows = [];
  if (functions !== undefined) {
    const long = functions.flatMap(({ measured }) => measured).filter(({ tokens }) => tokens >= 128);
    const faster = long.map(({ times }) => compared(times.transcription, times.scalarlm).middle);
    const smaller = functions.map(({ hidden, numbers }) => {
      const { scalarlm, transcription } = largest(numbers, hidden);
      return transcription / scalarlm;
    });
    if (faster.length > 0) {
      const text = `${span(faster, (n) => n.toFixed(1))} times as fast`;
      rows.push([
        "scalarlm at least 2 times as fast as ScalarLM's formula, from 128 tokens on",
        Math.min(...faster) >= 2,
        text,
      ]);
    }
    const text = `${span(smaller, (n) => n.toFixed(0))} times smaller`;
    rows.push(["intermediates at least 100 times smaller", Math.min(...smaller) >= 100, text]);
  }
  for (const [id, name, most] of [
    ["scalarlm", `whole model, 1 token: scalarlm of rank ${RANK} within 5% of the base`, 1.05],
    ["lora", `whole model, 1 token: lora of rank ${RANK} within 5% of the base`, 1.05],
    ["inputs", "whole model, 1 token: size zero within 1% of the base", 1.01],
    ["bank", "whole model, 1 token: bank of 8 within 10% of one adapter", 1.1],
  ]) {
    const step = model?.find((variant) => variant.id === id)?.results.find(({ tokens }) => tokens === 1);
    if (step === undefined) continue;
    const { middle } = compared(step.variant, step.base);
    rows.push([name, middle <= most, `${percent(middle)} (${ratio(compared(step.variant, step.base))})`]);
  }
  const cells = rows.map(([name, isMet, text]) => [name, `${isMet ? "met" : "**not met**"}: ${text}`]);
  return markdownTable(["target", "result"], cells);
}

function span(numbers, text) {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)].map(text);
  return low === high ? low : `${low} to ${high}`;
}

function milliseconds(times) {
  const time = median(times);
  return `${time.toFixed(time < 100 ? 1 : 0)} ms`;
}

function ratio({ middle, low, high }) {
  const digits = middle < 2 ? 3 : 1;
  return `${middle.toFixed(digits)} × (${low.toFixed(digits)} – ${high.toFixed(digits)})`;
}

function percent(factor) {
  const change = (factor - 1) * 100;
  return `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(1)}%`;
}

function millions(count) {
  return `${(count / 1e6).toFixed(1)} M`;
}
