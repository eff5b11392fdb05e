import { Command } from "commander";
import { trainingDefaults } from "../../runtime/train/options.ts";
import { schedules } from "../../runtime/train/schedule.ts";
import type { TrainModelOptions, TrainReport } from "../compile/training/train.ts";
import { inputError } from "../diagnostics/error.ts";
import { memories } from "../ops/training.ts";
import { PROJECTIONS } from "../sites/selector.ts";
import { projectionKinds } from "../sites/site.ts";
import { halfNames } from "../compile/dtypes.ts";
import { DEFAULT_BLOCK, quantizations } from "../compile/quantize.ts";
import { optionsOf, type CompileFlags } from "../config/flag-options.ts";
import { blockSizes } from "../weights/nbits/settings.ts";
import { addAdapterFlags, REPLACE_HELP } from "./compile.ts";
import { durationText } from "./duration.ts";
import { offer, repeatedFlag, wordFlag } from "./flags.ts";
import { numberOf } from "./generate-flags.ts";
import { endInterrupted, untilAborted } from "./interrupt.ts";
import { grouped, printDiagnostics, printResult, rows } from "./output.ts";
import { say } from "./streams.ts";
import { trainNames } from "../config/train-options.ts";
import { DROPOUT_HELP, FROM_SCRATCH_HELP, trainableWords } from "./train-flags.ts";
import { trainProgress } from "./train-progress.ts";
import { countOf } from "./verify-flags.ts";
import { speakOf } from "../config/wording.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly data?: readonly string[];
  readonly out?: string;
  readonly epochs?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly accumulate?: number;
  readonly length?: number;
  readonly pack?: boolean;
  readonly pad?: boolean;
  readonly lr?: number;
  readonly schedule?: TrainModelOptions["schedule"];
  readonly warmup?: number;
  readonly weightDecay?: number;
  readonly clip?: number;
  readonly evalSplit?: number;
  readonly evalEvery?: number;
  readonly saveEvery?: number;
  readonly keep?: number;
  readonly seed?: number;
  readonly device?: TrainModelOptions["device"];
  readonly threads?: number;
  readonly tokenizer?: string;
  readonly resume?: boolean;
  readonly state?: string;
  readonly force: boolean;
  readonly json: boolean;
}

/** What messages call options whose flags have other names here. */
const names: ReadonlyMap<string, string> = new Map([
  ...trainNames,
  ["output", "--out"],
  ["learningRate", "--lr"],
  ["packing", "--pack"],
  ["packing: pack", "--pack"],
  ["packing: pad", "--pad"],
  ["adapters", "--no-adapters"],
  ...["data", "out", "epochs", "steps", "batch", "length", "schedule", "warmup", "clip"].map(sameName),
  ...["keep", "resume", "state", "device", "threads", "tokenizer", "seed"].map(sameName),
  ["weightDecay", "--weight-decay"],
  ["evalSplit", "--eval-split"],
  ["evalEvery", "--eval-every"],
  ["saveEvery", "--save-every"],
]);

function sameName(name: string): [string, string] {
  return [name, `--${name}`];
}

/** `tfc train <model>` */
export function trainCommand(): Command {
  const command = new Command("train")
    .description("train adapters of a model, or weights of its own, on text and conversations")
    .argument("<model>", "a base model or a folder with one, or a graph that `tfc compile --train` made")
    .addOption(
      repeatedFlag(
        "--data <file...>",
        "training data: .jsonl, .csv or .parquet with text, prompt and completion, or messages; .txt",
        collect,
      ),
    )
    .option(
      "--out <folder>",
      "the run's folder: adapter, checkpoints, metrics, and a page that follows along",
    );
  return withPlaces(withBase(withOptimizer(withBatches(command)))).action(run);
}

const { epochs, batch, accumulate, learningRate, warmup, weightDecay, clip, evalSplit, keep } =
  trainingDefaults;

function withBatches(command: Command): Command {
  return command
    .option("--epochs <n>", `how often the data are read (default: ${epochs})`, positive("--epochs"))
    .option("--steps <n>", "updates, in place of --epochs", countOf("--steps", 1))
    .option("--batch <n>", `sequences that are run together (default: ${batch})`, countOf("--batch", 1))
    .option(
      "--accumulate <n>",
      `batches that make up an update (default: ${accumulate})`,
      countOf("--accumulate", 1),
    )
    .option(
      "--length <n>",
      "tokens of a sequence at most (default: 512, or the model's context where that is shorter)",
      countOf("--length", 2),
    )
    .option("--pack", "put examples one behind the other, and cut them (default for texts)")
    .option("--pad", "give each example a row, cut or filled up (default where only answers are learned)");
}

function withOptimizer(command: Command): Command {
  const share = (option: string): ((text: string) => number) =>
    numberOf(option, "a number from 0 to 1", (value) => value >= 0 && value <= 1);
  return command
    .option("--lr <x>", `the highest learning rate (default: ${learningRate})`, positive("--lr"))
    .addOption(wordFlag("--schedule <name>", "how the learning rate falls (default: cosine)", schedules))
    .option(
      "--warmup <share>",
      `the share of the steps in which the learning rate rises (default: ${warmup})`,
      share("--warmup"),
    )
    .option("--weight-decay <x>", `AdamW's (default: ${weightDecay})`, least0("--weight-decay"))
    .option(
      "--clip <x>",
      `the norm that all gradients together are clipped to; 0 clips nothing (default: ${clip})`,
      least0("--clip"),
    )
    .option(
      "--eval-split <share>",
      `the share of the examples that is held back to evaluate on (default: ${evalSplit})`,
      share("--eval-split"),
    )
    .option(
      "--eval-every <n>",
      "steps between evaluations (default: a tenth of all)",
      countOf("--eval-every", 1),
    )
    .option(
      "--save-every <n>",
      "steps between checkpoints (default: a tenth of all)",
      countOf("--save-every", 1),
    )
    .option("--keep <n>", `checkpoints that are kept (default: ${keep})`, countOf("--keep", 1))
    .option(
      "--seed <n>",
      "of fresh adapters, the order of the data, and dropout (default: 0)",
      countOf("--seed"),
    )
    .option("--resume", "go on from the last checkpoint in --out")
    .option(
      "--state <run>",
      "AdamW's state to begin with: that of the run whose adapter --load has, also grown",
    );
}

/** Flags about how a base is compiled for training. */
function withBase(command: Command): Command {
  addAdapterFlags(command);
  command
    .addOption(
      repeatedFlag("--load <path>", "a trained adapter to train on: a file or folder of any format", collect),
    )
    .option("--no-adapters", "add none: train weights of the base, or what --replace makes")
    .option("--replace [sites]", REPLACE_HELP)
    .option("--force", "take an adapter that belongs to another base", false)
    .option(
      "--train-base <list>",
      "weights of the base that are trained, too: norms, embed_tokens, lm_head, biases, router, experts, all, or sites",
    )
    .option("--from-scratch", FROM_SCRATCH_HELP)
    .option(
      "--memory <mode>",
      `what the forward keeps for the backward: ${memories.join(", ")} (default: by the model's sizes)`,
    )
    .option("--dropout <share>", DROPOUT_HELP)
    .option("--dtype <type>", `convert a float32 model: ${halfNames.join(", ")} (default: as it is)`)
    .option(
      "--quantize <type>",
      `quantize projections and the head to ${quantizations.join(" or ")}; what is trained stays in float32 (default: as stored)`,
    )
    .option("--block <n>", `inputs that share a scale: ${blockSizes.join(", ")} (default: ${DEFAULT_BLOCK})`)
    .option("--symmetric", "quantize around 0, without zero points")
    .option(
      "--weights <mode>",
      "the base's weights, for the compiled graphs: copy, or link, which takes no room (default: copy)",
    );
  offer(command, { "--memory": memories, "--dtype": halfNames, "--weights": ["link", "copy"] });
  offer(command, { "--quantize": quantizations, "--block": blockSizes.map(String) });
  offer(command, { "--train-base": trainableWords, "--replace": [PROJECTIONS, ...projectionKinds] }, true);
  return command;
}

function withPlaces(command: Command): Command {
  return command
    .addOption(wordFlag("--device <name>", "where to run (default: auto)", ["auto", "cpu", "cuda"]))
    .option("--threads <n>", "threads within an op (default: onnxruntime's choice)", countOf("--threads", 1))
    .option("--tokenizer <path>", "folder of the tokenizer and its template (default: the model's folder)")
    .option("--json", "print one JSON object", false);
}

function positive(option: string): (text: string) => number {
  return numberOf(option, "a number above 0", (value) => value > 0);
}

function least0(option: string): (text: string) => number {
  return numberOf(option, "a number, 0 or more", (value) => value >= 0);
}

async function run(model: string, flags: Flags): Promise<void> {
  speakOf(names);
  const options = trainOptionsOf(model, flags);
  const { train } = await import("../compile/training/train.ts");
  const progress = trainProgress();
  const { result: report, by } = await untilAborted((signal) =>
    train(model, { ...options, signal, onEvent: progress.update }),
  ).finally(progress.end);
  if (report === null) {
    say("ended before the first step: nothing was trained\n");
    endInterrupted(by ?? "SIGINT");
    return;
  }
  printDiagnostics(report.diagnostics);
  printResult(flags.json, report, () => reportText(report));
  if (report.interrupted) endInterrupted(by ?? "SIGINT");
}

/** @throws TfcError OPTION_*, USAGE */
function trainOptionsOf(model: string, flags: Flags): TrainModelOptions {
  const { data, out, pack, pad, lr: learningRate, force } = flags;
  const missing = (what: string): Error => inputError("USAGE", {}, { what, command: "train" });
  if (data === undefined) throw missing("there is nothing to train on: give --data");
  if (out === undefined) throw missing("there is no folder for the run: give --out");
  if (pack === true && pad === true)
    throw inputError("OPTION_CONFLICT", {}, { option: "--pack", other: "--pad" });
  // A seed and batches are the run's here.
  const compiling = { ...flags, train: true, seed: undefined, accumulate: undefined };
  const { train, ...base } = optionsOf(model, compiling as unknown as CompileFlags, {});
  const { adapter, sites, settings, adapters, load, replace, dtype, weights, quantize, block, symmetric } =
    base;
  const { epochs, steps, batch, accumulate, length, schedule, warmup, weightDecay, clip, evalSplit } = flags;
  const { evalEvery, saveEvery, keep, seed, device, threads, tokenizer, resume, state } = flags;
  const all = {
    ...{ adapter, sites, settings, adapters, load, replace, dtype, weights, ...train },
    ...{ quantize, block, symmetric },
    ...{ epochs, steps, batch, accumulate, length, schedule, warmup, weightDecay, clip, evalSplit },
    ...{ evalEvery, saveEvery, keep, seed, device, threads, tokenizer, resume, state, learningRate },
    packing: pack === true ? "pack" : pad === true ? "pad" : undefined,
    force: force ? true : undefined,
  };
  const said = Object.entries(all).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(said), data, out };
}

function collect(text: string, before?: readonly string[]): readonly string[] {
  return [...(before ?? []), text];
}

function reportText(report: TrainReport): string {
  const { step, steps, loss, evaluation, best, files, examples, interrupted, time } = report;
  const number = (value: number | null): string => (value === null ? "none" : value.toFixed(4));
  return rows([
    ["steps", `${step} of ${steps}${interrupted ? ", interrupted: --resume goes on" : ""}`],
    ["trained", `${grouped(report.parameters)} parameters, on ${report.provider}`],
    [
      "examples",
      `${grouped(examples.train)} to train on, ${grouped(examples.evaluation)} to evaluate on; ${grouped(report.tokens)} tokens`,
    ],
    ["loss", `${number(loss.first)} at first, ${number(loss.last)} at last`],
    ...(evaluation === null
      ? []
      : [
          [
            "evaluation",
            `${number(evaluation.loss)}, perplexity ${evaluation.perplexity.toFixed(2)}${evaluation.step === step ? "" : `, behind step ${evaluation.step}`}`,
          ] as const,
        ]),
    ...(best === null ? [] : [["best", `${number(best.loss)} behind step ${best.step}`] as const]),
    ["adapter", files.adapter],
    ...(files.best === null ? [] : [["", `${files.best}, of the best evaluation`] as const]),
    ["page", files.page],
    ["time", durationText(time)],
  ]);
}
