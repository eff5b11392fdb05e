import path from "node:path";
import type { CudaReport } from "../../runtime/doctor/cuda.ts";
import type { DoctorReport } from "../../runtime/doctor/doctor.ts";
import type { CudaInstalled } from "../../runtime/doctor/install/install-cuda.ts";
import { byteText, rows } from "./output.ts";

type Row = readonly [string, string];

/** What `tfc doctor` prints. */
export function doctorText({ node, onnxruntime, providers, cuda, memory, disks }: DoctorReport): string {
  const lines: Row[] = [
    ["node", node.supported ? node.version : `${node.version}, which tfc does not run on: ${node.wanted}`],
    [
      "onnxruntime",
      onnxruntime === null
        ? "onnxruntime-node is not installed"
        : `onnxruntime-node ${onnxruntime.version} in ${shown(onnxruntime.folder)}`,
    ],
    ...providers.flatMap((state): readonly Row[] => [
      [state.provider, state.usable ? "works" : `does not work: ${state.why ?? ""}`],
      ...(state.provider === "cuda" && cuda !== null ? cudaRows(cuda) : []),
    ]),
    ["memory", `${byteText(memory.available)} available of ${byteText(memory.total)}`],
    ...disks.map(({ folder, free, total }, i): Row => [
      i === 0 ? "disk" : "",
      `${byteText(free)} free of ${byteText(total)} in ${folder}`,
    ]),
  ];
  const isCudaBroken = providers.some(({ provider, usable }) => provider === "cuda" && !usable);
  return [rows(lines), ...(isCudaBroken && cuda !== null ? ["", stepsText(cuda)] : [])].join("\n");
}

/** What `tfc doctor --install-cuda` prints. */
export function installedText(
  { changed, files, version, wheel }: CudaInstalled,
  report: DoctorReport,
): string {
  const folder = shown(path.dirname(files[0] ?? ""));
  const names = files.map((file) => path.basename(file)).join("\n");
  const lines: Row[] = [
    [changed ? "written" : "there already", `${names}\nof onnxruntime ${version}, in ${folder}`],
    ...(wheel === undefined ? [] : [["from", `${wheel.url}\nSHA-256 ${wheel.sha256}`] as const]),
  ];
  return `${rows(lines)}\n\n${doctorText(report)}`;
}

function cudaRows({ provider, version, libraries, driver }: CudaReport): readonly Row[] {
  const gpus = driver?.gpus.map(
    ({ name, memory, capability }) => `${name}, ${byteText(memory)}, capability ${capability}`,
  );
  const states = {
    installed: `beside onnxruntime-node${version === null ? "" : `, for CUDA ${version}`}`,
    missing: "missing",
    other: "of another version than onnxruntime-node",
  };
  return [
    ["  provider", states[provider]],
    ...libraries.map(({ name, file, optional }): Row => [
      `  ${name}`,
      file ?? (optional ? "missing; convolutions alone need it" : "missing"),
    ]),
    ["  driver", driver === null ? "none found" : [driver.version, ...(gpus ?? [])].join("\n")],
  ];
}

function stepsText({ steps }: CudaReport): string {
  if (steps.length === 0) return "For CUDA every file is there; what is said of it above is what is wrong.";
  return ["For CUDA:", ...steps.map((step) => `  ${step}`)].join("\n");
}

/** A path as it is shortest from here. */
function shown(file: string): string {
  const relative = path.relative("", file);
  return relative.startsWith("..") ? file : relative;
}
