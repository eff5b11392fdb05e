import { Command } from "commander";
import { openModel } from "../compile.ts";
import { printModel } from "../text/print.ts";

/** `tfc dump <model>`: the model in ONNX's textual syntax. */
export function dumpCommand(): Command {
  return new Command("dump")
    .description("print a model in ONNX's textual syntax")
    .argument("<model>", "an .onnx file")
    .action((model: string) => {
      process.stdout.write(printModel(openModel(model).model));
    });
}
