import { median } from "./median.mjs";
import { markdownTable } from "./table.mjs";

/** Tokens each second, perplexity and answer of each model. */
export function realTable(results) {
  const head = ["", "prefill 128", "decode", "perplexity", "capital of France"];
  const rows = results.map((one) => {
    if (one.missing !== undefined) return [one.name, one.missing, "", "", ""];
    if (one.error !== undefined) return [one.name, `fails: ${one.error.slice(0, 120)}`, "", "", ""];
    const { value, error } = one.perplexity;
    return [
      one.name,
      `${median(one.prefill).toFixed(0)} tokens/s`,
      `${median(one.decode).toFixed(1)} tokens/s`,
      value === undefined ? error : value.toFixed(3),
      one.answer.value === undefined ? one.answer.error : one.answer.value.trim(),
    ];
  });
  return markdownTable(head, rows);
}

export function realTargets(results) {
  const run = results.filter(({ missing, error }) => missing === undefined && error === undefined);
  const own = run.filter(({ by, name }) => by === "tfc" && name.includes("int4"));
  const plain = fastest(own.filter(({ name }) => !name.includes("scalarlm")));
  const genai = run.find(({ by }) => by === "tool");
  const llama = fastest(run.filter(({ by }) => by === "llama.cpp"));
  const rows = [];
  if (plain !== null && genai !== undefined) {
    const times = median(plain.decode) / median(genai.decode);
    rows.push([
      "int4: decode level with genai's int4",
      verdict(times >= 0.95, `${times.toFixed(2)} × genai's`),
    ]);
    const more = plain.perplexity.value / genai.perplexity.value - 1;
    rows.push([
      "int4: perplexity within 1% of genai's int4",
      verdict(more <= 0.01, `${(100 * more).toFixed(2)}%`),
    ]);
  }
  if (plain !== null && llama !== null) {
    const times = median(plain.decode) / median(llama.decode);
    const text = `${times.toFixed(2)} × ${llama.name}`;
    rows.push(["int4: decode at least 0.8 × llama.cpp's", verdict(times >= 0.8, text)]);
  }
  for (const { name, answer } of own)
    rows.push([
      `${name}: the capital of France is Paris`,
      verdict(/Paris/.test(answer.value ?? ""), answer.value?.trim() ?? ""),
    ]);
  return markdownTable(["target", "result"], rows);
}

function fastest(models) {
  return models.reduce(
    (best, one) => (best === null || median(one.decode) > median(best.decode) ? one : best),
    null,
  );
}

function verdict(isMet, text) {
  return `${isMet ? "met" : "**not met**"}: ${text}`;
}
