import { Command } from "commander";
import { openModel } from "../onnx/open.ts";
import { Sink } from "../diagnostics/sink.ts";
import { printDiagnostics } from "./output.ts";
import { printModel } from "../text/print.ts";

/** `tfc dump <model>`: the model in ONNX's textual syntax. */
export function dumpCommand(): Command {
  return new Command("dump")
    .description("print a model in ONNX's textual syntax, as a page to read")
    .argument("<model>", "an .onnx file")
    .option("--full", "print everything: all metadata and names, and values that are in memory", false)
    .action((model: string, flags: { readonly full: boolean }) => {
      const sink = new Sink();
      const text = printModel(openModel(model, sink).model, { elide: !flags.full });
      process.stdout.on("error", closed);
      process.stdout.write(text);
      printDiagnostics(sink.diagnostics);
    });
}

/** A reader such as `head` closes the pipe when it has seen enough. */
function closed(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}
