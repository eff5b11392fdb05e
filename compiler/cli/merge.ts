import { relative } from "node:path";
import { statSync } from "node:fs";
import { Command } from "commander";
import { merge } from "../compile/merge.ts";
import { weightModes, type WeightMode } from "../compile/place-weights.ts";
import { hintsOf, withHints } from "./adapter-hints.ts";
import { copyProgress } from "./copy-progress.ts";
import { wordFlag } from "./flags.ts";
import { byteText, counted, printDiagnostics, printResult, rows } from "./output.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly output: string;
  readonly load: string;
  readonly weights?: WeightMode;
  readonly force: boolean;
  readonly json: boolean;
}

/** `tfc merge <model> --load <path> -o <file>`: the base with LoRA in its weights. */
export function mergeCommand(): Command {
  return withHints(
    new Command("merge")
      .description("put LoRA into the weights of its base: the same graph, with nothing beside them")
      .argument("<model>", "the base model, an .onnx file")
      .requiredOption("--load <path>", "LoRA in any format")
      .requiredOption("-o, --output <file>", "the merged model")
      .addOption(
        wordFlag(
          "--weights <mode>",
          "the base's other weights (default: link beside the base, copy elsewhere)",
          weightModes,
        ),
      )
      .option("--force", "take an adapter that belongs to another base", false)
      .option("--json", "print one JSON object", false),
  ).action(run);
}

async function run(input: string, flags: Flags): Promise<void> {
  const { output, load, weights, force } = flags;
  const progress = copyProgress();
  const report = await merge({
    ...{ input, output, load, force, settings: hintsOf(flags), progress: progress.update },
    ...(weights === undefined ? {} : { weights }),
  }).finally(progress.end);
  printDiagnostics(report.diagnostics);
  printResult(flags.json, report, () =>
    rows([
      ["merged", counted(report.merged, "weight of the base", "weights of the base")],
      ["files", report.files.map((file) => `${here(file)}  ${byteText(statSync(file).size)}`).join("\n")],
    ]),
  );
}

function here(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}
