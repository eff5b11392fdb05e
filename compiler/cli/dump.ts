import { Command } from "commander";
import { openModel } from "../onnx/open.ts";
import { Sink } from "../diagnostics/sink.ts";
import { printModel } from "../text/print.ts";
import { jsonText, printDiagnostics } from "./output.ts";
import { isQuiet } from "./progress.ts";
import { drawnText } from "./report-hint.ts";
import { print, say } from "./streams.ts";

interface Flags {
  readonly full: boolean;
  readonly json: boolean;
}

/** `tfc dump <model>`: the model in ONNX's textual syntax. */
export function dumpCommand(): Command {
  return new Command("dump")
    .description("print a model in ONNX's textual syntax, as a page to read")
    .argument("<model>", "an .onnx file")
    .option("--full", "print everything: all metadata and names, and values that are in memory", false)
    .option("--json", "print one JSON object: the model's path and the text", false)
    .action((model: string, { full, json }: Flags) => {
      const sink = new Sink();
      const text = printModel(openModel(model, sink).model, { elide: !full });
      print(json ? `${jsonText({ model, text })}\n` : text);
      printDiagnostics(sink.diagnostics);
      // On stdout is the model and nothing else: the hint is for who reads it in a terminal.
      if (process.stdout.isTTY && !isQuiet()) say(`${drawnText(model)}; names are its addresses, behind #\n`);
    });
}
