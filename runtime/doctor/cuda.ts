import { existsSync } from "node:fs";
import path from "node:path";
import type { Binding } from "../session/binding.ts";
import { CUDA_LIBRARIES } from "../session/devices.ts";
import { driverWanted, nvidiaDriver, type Driver } from "./gpu.ts";
import { pythonCommand } from "./install/python.ts";
import { expectedLibraries, librariesOf, type Library } from "./libraries.ts";
import { cudaMajor, librariesFix } from "./packages.ts";
import { isOfVersion } from "./provider-version.ts";

/** What CUDA needs on Linux x64, as far as files show it. */
export interface CudaReport {
  /** onnxruntime's CUDA provider beside the npm binding; "other" where it is of another version than the binding */
  readonly provider: "installed" | "missing" | "other";
  /** major version of CUDA that the provider is built for */
  readonly version: number | null;
  /** what the provider needs, or will need when it is installed */
  readonly libraries: readonly Library[];
  readonly driver: Driver | null;
  /** what to do, in order: commands, or sentences where no command does it */
  readonly steps: readonly string[];
}

/** Whether onnxruntime has a CUDA provider for Node on this machine at all. */
export function hasCudaProvider(): boolean {
  return process.platform === "linux" && process.arch === "x64";
}

/** Looks at provider, libraries and driver, without loading them. */
export function cudaReport({ libraries: folder, version }: Binding): CudaReport {
  const files = CUDA_LIBRARIES.map((name) => path.join(folder, name));
  const [library = ""] = files;
  const isThere = files.every((file) => existsSync(file));
  const provider = !isThere ? "missing" : isOfVersion(library, version) ? "installed" : "other";
  const libraries = isThere ? librariesOf(library) : expectedLibraries();
  const driver = nvidiaDriver();
  const cuda = cudaMajor(libraries);
  const steps = [
    ...(provider === "installed" ? [] : ["npx tfc doctor --install-cuda"]),
    ...librariesFix(
      libraries.filter(({ optional }) => !optional),
      pythonCommand(),
    ),
    ...driverSteps(driver, libraries, cuda),
  ];
  return { provider, version: cuda, libraries, driver, steps };
}

function driverSteps(
  driver: Driver | null,
  libraries: readonly Library[],
  cuda: number | null,
): readonly string[] {
  const isMissing = libraries.some(({ name, file }) => name === "libcuda.so.1" && file === null);
  if (driver === null || isMissing) {
    return [
      "install NVIDIA's driver (https://www.nvidia.com/drivers); in a container, start it with the GPU: docker run --gpus all …",
    ];
  }
  const least = cuda === null ? null : driverWanted(driver, cuda);
  return least === null
    ? []
    : [`update NVIDIA's driver ${driver.version} to ${least} or newer, which CUDA ${cuda ?? ""} needs`];
}
