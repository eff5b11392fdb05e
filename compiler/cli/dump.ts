import { Command } from "commander";
import { openModel } from "../onnx/open.ts";
import { Sink } from "../diagnostics/sink.ts";
import { printDiagnostics } from "./output.ts";
import { printModel } from "../text/print.ts";

/** `tfc dump <model>`: the model in ONNX's textual syntax. */
export function dumpCommand(): Command {
  return new Command("dump")
    .description("print a model in ONNX's textual syntax")
    .argument("<model>", "an .onnx file")
    .action((model: string) => {
      const sink = new Sink();
      process.stdout.write(printModel(openModel(model, sink).model));
      printDiagnostics(sink.diagnostics);
    });
}
