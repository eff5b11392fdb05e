import { Command } from "commander";
import { inputError } from "../diagnostics/error.ts";
import { providers, type Provider } from "../ops/providers.ts";
import { integer } from "../pass/options.ts";
import { inResult } from "./colours.ts";
import { wordFlag } from "./flags.ts";
import { printDiagnostics, printResult, rows } from "./output.ts";
import { explain, type Explanation } from "../compile/explain.ts";
import { countsText, type Lowered } from "../compile/lowered-ops.ts";

interface Flags {
  readonly layer?: string;
  readonly for?: Provider;
  readonly json: boolean;
}

const layerOption = integer({ help: "one layer only", default: 0, min: 0, max: 1_000_000 });

/** `tfc explain <model>`: for each block, what every recognizer said, and for a missed one why. */
export function explainCommand(): Command {
  return new Command("explain")
    .description("say for each block what was found, value by value, and why a block was missed")
    .argument("<model>", "an .onnx file")
    .addOption(
      wordFlag("--for <provider>", "say what --kv shared makes of attention on this provider", providers),
    )
    .option("--layer <n>", "one layer only, counted from 0")
    .option("--json", "print one JSON object", false)
    .action((file: string, flags: Flags) => {
      const layer = flags.layer === undefined ? null : layerOption.check(flags.layer, "--layer");
      const {
        lowered,
        blocks: all,
        refusal,
        diagnostics,
      } = explain(file, flags.for === undefined ? {} : { for: flags.for });
      printDiagnostics(diagnostics);
      const blocks = all.filter((b) => layer === null || b.layer === layer);
      if (layer !== null && all.length > 0 && blocks.length === 0) {
        const layers = [...new Set(all.map((b) => b.layer))].join(", ");
        const wanted = `a layer that has blocks: ${layers}`;
        throw inputError(
          "OPTION_OUT_OF_RANGE",
          { file },
          { option: "--layer", wanted, found: String(layer) },
        );
      }
      printResult(flags.json, { lowered, blocks, refusal }, () =>
        [...loweredText(lowered), explanationText(blocks, refusal)].join("\n\n"),
      );
    });
}

function loweredText(lowered: Lowered | null): readonly string[] {
  if (lowered === null) return [];
  const { for: provider, maxLength, unpadded, ops } = lowered;
  const caches = maxLength === undefined ? "" : `, with shared caches of ${maxLength} positions`;
  const row = unpadded === true ? ", of a row without padding" : "";
  return [`lowered for ${provider} already${caches}${row}: it has ${countsText(ops)}`];
}

function explanationText(blocks: readonly Explanation[], refusal: string | null): string {
  const parts = blocks.map(({ layer, block, understood, facts }) => {
    const head = `layer ${layer}, ${block}: ${understood ? inResult("understood", "green") : inResult("MISSED", "red")}`;
    return `${head}\n${rows(Object.entries(facts).map(([name, text]) => [`  ${name}`, text]))}`;
  });
  if (refusal !== null) parts.push(`no Llama-family decoder: ${refusal}`);
  return parts.length === 0 ? "no block was seen" : parts.join("\n\n");
}
