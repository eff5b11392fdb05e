import { statSync } from "node:fs";
import { relative } from "node:path";
import { Command } from "commander";
import { packageGenai, type PackageGenaiReport } from "../compile/package/genai/package.ts";
import { packageWeightModes, type PackageWeights } from "../compile/package/stage.ts";
import { packageTriton, tritonDevices, type PackageTritonReport } from "../compile/package/triton/package.ts";
import { inputError } from "../diagnostics/error.ts";
import { providers, type Provider } from "../ops/providers.ts";
import { choice, integer } from "../pass/options.ts";
import { copyProgress } from "./copy-progress.ts";
import { wordFlag } from "./flags.ts";
import { speakOf } from "../config/wording.ts";
import { byteText, printDiagnostics, printResult, rows } from "./output.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  readonly triton?: string;
  readonly genai?: string;
  readonly name?: string;
  readonly version?: string;
  readonly maxBatch?: string;
  readonly tokenizer?: string;
  readonly maxLength?: string;
  readonly device?: Provider;
  readonly weights?: PackageWeights;
  readonly json: boolean;
}

const tritonDevice = choice({ help: "where it runs", default: "cpu", of: tritonDevices });
const whole = integer({ help: "a count", default: 1, min: 1, max: 2 ** 31 - 1 });

/** `tfc package <model> --triton <dir>`, or `--genai <dir>`: a model in the form that another engine serves. */
export function packageCommand(): Command {
  return new Command("package")
    .description("put a model into the form that another engine loads: NVIDIA Triton, or onnxruntime-genai")
    .argument("<model>", "a model's .onnx file, or its folder")
    .option("--triton <dir>", "into a model repository, for Triton's onnxruntime backend")
    .option("--genai <dir>", "as a folder for onnxruntime-genai")
    .option("--name <name>", "triton: the model's name (default: its file's or folder's)")
    .option("--version <n>", "triton: the model's version, beside those that are there (default: 1)")
    .option("--max-batch <n>", "triton: rows of a batch at most (default: 8)")
    .option(
      "--tokenizer <dir>",
      "genai: the folder of the tokenizer and configuration (default: the model's)",
    )
    .option(
      "--max-length <n>",
      "genai: tokens of prompt and answer together (default: the model's context length)",
    )
    .addOption(
      wordFlag("--device <device>", "where it runs (default: what the graph was compiled for)", providers),
    )
    .addOption(
      wordFlag(
        "--weights <mode>",
        "a second name for the files, or a copy (default: link)",
        packageWeightModes,
      ),
    )
    .option("--json", "print one JSON object", false)
    .action(run);
}

/** The flags that only one engine's package has. */
const own = { triton: ["name", "version", "maxBatch"], genai: ["tokenizer", "maxLength"] } as const;

async function run(input: string, flags: Flags): Promise<void> {
  const engine = engineOf(flags);
  speakOf(new Map([["output", `--${engine}`]]));
  const progress = copyProgress();
  const report = await make(engine, input, flags, progress.update).finally(progress.end);
  printDiagnostics(report.diagnostics);
  printResult(flags.json, report, () => text(report));
}

/** @throws TfcError USAGE */
function engineOf(flags: Flags): "triton" | "genai" {
  const usage = (what: string): Error => inputError("USAGE", {}, { what });
  if (flags.triton === undefined && flags.genai === undefined)
    throw usage("no engine is named: give --triton <dir> or --genai <dir>");
  if (flags.triton !== undefined && flags.genai !== undefined)
    throw usage("two engines are named: give --triton or --genai");
  const [engine, other] =
    flags.triton === undefined ? (["genai", "triton"] as const) : (["triton", "genai"] as const);
  const strange = own[other].find((name) => flags[name] !== undefined);
  if (strange !== undefined) throw usage(`--${kebab(strange)} is not of --${engine}`);
  return engine;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

type Report = PackageTritonReport | PackageGenaiReport;

function make(
  engine: "triton" | "genai",
  input: string,
  { triton = "", genai = "", name, version, maxBatch, tokenizer, maxLength, device, weights }: Flags,
  progress: ReturnType<typeof copyProgress>["update"],
): Promise<Report> {
  const both = { input, progress, ...(weights === undefined ? {} : { weights }) };
  if (engine === "genai")
    return packageGenai({
      ...{ ...both, output: genai },
      ...(tokenizer === undefined ? {} : { tokenizer }),
      ...(device === undefined ? {} : { device }),
      ...(maxLength === undefined ? {} : { maxLength: whole.check(maxLength, "--max-length") }),
    });
  return packageTriton({
    ...{ ...both, output: triton },
    ...(name === undefined ? {} : { name }),
    ...(device === undefined ? {} : { device: tritonDevice.check(device, "--device") }),
    ...(version === undefined ? {} : { version: whole.check(version, "--version") }),
    ...(maxBatch === undefined ? {} : { maxBatch: whole.check(maxBatch, "--max-batch") }),
  });
}

function text(report: Report): string {
  const files = report.files.map((file) => `${here(file)}  ${byteText(statSync(file).size)}`).join("\n");
  return rows([...("version" in report ? tritonRows(report) : genaiRows(report)), ["files", files]]);
}

function tritonRows({ name, version, unbatched, maxBatch, cache }: PackageTritonReport): [string, string][] {
  const kept = {
    triton: "kept by Triton for each sequence",
    client: "sent with each request",
    none: "none",
  }[cache];
  return [
    ["model", `${name}, version ${version}`],
    ["batches", unbatched === null ? `of up to ${maxBatch} rows` : `none: ${unbatched}`],
    ["cache", kept],
  ];
}

function genaiRows({ folder, contextLength, sharedCache }: PackageGenaiReport): [string, string][] {
  return [
    ["folder", here(folder)],
    ["context", `${contextLength} tokens`],
    ["cache", sharedCache ? "one buffer, written in place" : "grows with each token"],
  ];
}

function here(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path === "" ? "." : path;
}
