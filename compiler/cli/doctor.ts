import { Command } from "commander";
import type { DoctorReport, Needed } from "../../runtime/doctor/doctor.ts";
import { inputError } from "../diagnostics/error.ts";
import { doctorText, installedText } from "./doctor-text.ts";
import { wordFlag } from "./flags.ts";
import { printResult } from "./output.ts";
import { isQuiet } from "./progress.ts";
import { say } from "./streams.ts";

interface Flags {
  readonly device?: Needed;
  readonly installCuda: boolean;
  readonly json: boolean;
}

/**
 * `tfc doctor`: prints what there is to run graphs with; with --json, one object on stdout.
 *
 * The action throws, after the report, what keeps graphs from running on the device that is needed.
 */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("show what there is to run graphs with: Node, onnxruntime-node, CUDA, WebGPU, memory, disk")
    .addOption(
      wordFlag("--device <name>", "what has to work for the command to succeed (default: cpu)", [
        "cpu",
        "cuda",
        "webgpu",
      ]),
    )
    .option(
      "--install-cuda",
      "put onnxruntime's CUDA provider beside onnxruntime-node: the one in the onnxruntime-gpu wheel of its version, by your pip",
      false,
    )
    .option("--json", "print one JSON object", false)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  if (flags.installCuda && flags.device !== undefined)
    throw inputError("OPTION_CONFLICT", {}, { option: "--install-cuda", other: "--device" });
  if (flags.installCuda) {
    await install(flags);
    return;
  }
  const { doctor, doctorError } = await import("../../runtime/doctor/doctor.ts");
  const report: DoctorReport = doctor(flags.device);
  printResult(flags.json, report, () => doctorText(report));
  if (!report.ready) throw doctorError(report);
}

async function install({ json }: Flags): Promise<void> {
  const { installCuda } = await import("../../runtime/doctor/install/install-cuda.ts");
  const { doctor } = await import("../../runtime/doctor/doctor.ts");
  const installed = await installCuda({
    progress: (text) => {
      if (!isQuiet()) say(`${text}\n`);
    },
  });
  const report = doctor();
  printResult(json, { ...installed, cuda: report.cuda }, () => installedText(installed, report));
}
