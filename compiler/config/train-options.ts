import { trainBase as trainBasePass } from "../../passes/index.ts";
import type { CompileOptions } from "../compile/compile.ts";
import { inputError } from "../diagnostics/error.ts";
import { emits, memories } from "../ops/training.ts";
import { choice, number } from "../pass/options.ts";

/** Flags about a training graph, as commander has them. */
export interface TrainFlags {
  readonly train?: boolean;
  readonly emit?: string;
  readonly memory?: string;
  readonly trainBase?: string;
  readonly fromScratch?: boolean;
  readonly accumulate?: boolean;
  readonly dropout?: string;
}

const emitOption = choice({ help: "what it gives", default: "update", of: emits });
const dropoutOption = number({ help: "share that is dropped", default: 0, min: 0 });
const memoryOption = choice({ help: "what the forward keeps", default: "selective", of: memories });

/** What flags say of a training graph; nothing without --train. @throws TfcError OPTION_UNUSED, OPTION_UNKNOWN_VALUE */
export function trainOf(flags: TrainFlags): Pick<CompileOptions, "train"> {
  const { train, emit, memory, trainBase, fromScratch, accumulate, dropout } = flags;
  const said = {
    "--emit": emit,
    "--memory": memory,
    "--train-base": trainBase,
    "--from-scratch": fromScratch,
    "--accumulate": accumulate,
    "--dropout": dropout,
  };
  if (train !== true) {
    const [unused] = Object.entries(said).find(([, value]) => value !== undefined) ?? [];
    if (unused === undefined) return {};
    throw inputError("OPTION_UNUSED", {}, { option: unused, needs: "--train" });
  }
  return {
    train: {
      ...(emit === undefined ? {} : { emit: emitOption.check(emit, "--emit") }),
      ...(memory === undefined ? {} : { memory: memoryOption.check(memory, "--memory") }),
      ...(trainBase === undefined ? {} : { base: checkedBase(trainBase) }),
      ...(fromScratch === undefined ? {} : { fromScratch }),
      ...(accumulate === undefined ? {} : { accumulate }),
      ...(dropout === undefined ? {} : { dropout: dropoutOption.check(dropout, "--dropout") }),
    },
  };
}

/** Checked here, so that the message names the flag. */
function checkedBase(text: string): string {
  trainBasePass.options.weights.check(text, "--train-base");
  return text;
}

/** What messages call the options of a training graph, whose names mean something else to other commands. */
export const trainNames: ReadonlyMap<string, string> = new Map([
  ["train", "--train"],
  ["emit", "--emit"],
  ["memory", "--memory"],
  ["base", "--train-base"],
  ["fromScratch", "--from-scratch"],
  ["accumulate", "--accumulate"],
  ["dropout", "--dropout"],
]);
