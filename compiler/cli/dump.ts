import { Command } from "commander";
import { openModel } from "../onnx/open.ts";
import { Sink } from "../diagnostics/sink.ts";
import { printModel } from "../text/print.ts";
import { printDiagnostics } from "./output.ts";
import { print } from "./streams.ts";

/** `tfc dump <model>`: the model in ONNX's textual syntax. */
export function dumpCommand(): Command {
  return new Command("dump")
    .description("print a model in ONNX's textual syntax, as a page to read")
    .argument("<model>", "an .onnx file")
    .option("--full", "print everything: all metadata and names, and values that are in memory", false)
    .action((model: string, flags: { readonly full: boolean }) => {
      const sink = new Sink();
      const text = printModel(openModel(model, sink).model, { elide: !flags.full });
      print(text);
      printDiagnostics(sink.diagnostics);
    });
}
