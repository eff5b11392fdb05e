import { relative } from "node:path";
import { Command } from "commander";
import { writeReport, type ReportOptions } from "../report/report.ts";
import { byteText, printDiagnostics, printResult, rows } from "./output.ts";

interface Flags {
  readonly output?: string;
  readonly run?: string;
  readonly json: boolean;
}

/** `tfc report <model> [base]`: a page that shows a model. */
export function reportCommand(): Command {
  return new Command("report")
    .description("write a page that shows a model: layers, modules, adapters, what was not understood, sizes")
    .argument("<model>", "an .onnx file")
    .argument(
      "[base]",
      "the model that it was compiled from, or another to compare it with, to show what changed",
    )
    .option("-o, --output <file>", "the page (default: MODEL.report.html beside the model)")
    .option("--run <dir>", "the folder of a training run, for its curves (default: where the model lies)")
    .option("--json", "print one JSON object: what the page shows", false)
    .action(run);
}

async function run(model: string, base: string | undefined, flags: Flags): Promise<void> {
  const options: ReportOptions = {
    model,
    ...(base === undefined ? {} : { base }),
    ...(flags.output === undefined ? {} : { output: flags.output }),
    ...(flags.run === undefined ? {} : { run: flags.run }),
  };
  const { output, size, data, diagnostics } = await writeReport(options);
  printDiagnostics(diagnostics);
  printResult(flags.json, { output, size, ...data }, () => {
    const { matched, seen, refusal } = data.summary;
    const blocks = `${matched.attention} of ${seen.attention} attention, ${matched.mlp} of ${seen.mlp} MLP understood`;
    return rows([
      ["page", `${here(output)}  ${byteText(size)}, open it in a browser`],
      ["blocks", refusal === null ? blocks : `no Llama-family decoder: ${refusal}`],
    ]);
  });
}

function here(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}
