import { Command } from "commander";
import type { BenchReport } from "../compile/bench.ts";
import { repeatedFlag, wordFlag } from "./flags.ts";
import { byteText, counted, printResult, rows } from "./output.ts";
import { countOf } from "./verify-flags.ts";

interface Flags {
  readonly load: readonly string[];
  readonly device: "auto" | "cpu" | "cuda";
  readonly promptTokens?: number;
  readonly newTokens?: number;
  readonly runs?: number;
  readonly threads?: number;
  readonly json: boolean;
}

/** `tfc bench <model>`: prints how fast a model answers; with --json, one object on stdout. */
export function benchCommand(): Command {
  return new Command("bench")
    .description("measure how fast a model answers, alone and with adapters")
    .argument("<model>", "a decoder's graph, or a folder with one; no tokenizer is needed")
    .addOption(
      repeatedFlag(
        "--load <path>",
        "an adapter to measure with as well: fed to a graph that takes adapters as inputs, else compiled into a copy; may be repeated",
        (path: string, before: readonly string[]) => [...before, path],
      ).default([]),
    )
    .addOption(wordFlag("--device <name>", "where to run", ["auto", "cpu", "cuda"]).default("auto"))
    .option(
      "--prompt-tokens <n>",
      "tokens of the prompt (default: 512, or as many as the model has room for)",
      countOf("--prompt-tokens", 1),
    )
    .option("--new-tokens <n>", "new tokens, at least 2 (default: 64)", countOf("--new-tokens", 2))
    .option("--runs <n>", "runs of each, of which the median counts (default: 5)", countOf("--runs", 1))
    .option("--threads <n>", "threads within an op (default: onnxruntime's choice)", countOf("--threads", 1))
    .option("--json", "print one JSON object", false)
    .action(run);
}

async function run(model: string, { json, ...flags }: Flags): Promise<void> {
  const { bench } = await import("../compile/bench.ts");
  const report = await bench(model, flags);
  printResult(json, report, () => benchText(report));
}

function benchText(report: BenchReport): string {
  const { provider, threads, promptTokens, newTokens, runs, loading, memory } = report;
  const cells = report.rows.map(({ adapter, prefill, firstToken, decode }) => [
    adapter ?? "the model",
    // A loop in the graph gives all tokens at once: nothing tells when the first was there.
    ...(prefill === 0 ? ["–", "–"] : [`${perSecond(prefill)} tokens/s`, `${firstToken.toFixed(1)} ms`]),
    `${perSecond(decode)} tokens/s`,
  ]);
  const head = ["", `prompt of ${promptTokens}`, "first token", `${newTokens} new tokens`];
  const widths = head.map((_, i) => Math.max(...[head, ...cells].map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  const about = rows([
    ["on", `${provider}, ${threadsText(threads)}`],
    ["loaded in", `${(loading / 1000).toFixed(2)} s`],
    ["memory", `${byteText(memory)} at most`],
    ["medians of", counted(runs, "run", "runs")],
  ]);
  return [line(head), ...cells.map(line), "", about].map((text) => text.trimEnd()).join("\n");
}

function threadsText(threads: number | null): string {
  return threads === null ? "onnxruntime's choice of threads" : counted(threads, "thread", "threads");
}

function perSecond(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0);
}
