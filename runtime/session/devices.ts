import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";
import { loadOrt, ortMessage } from "./ort.ts";

/** Where tfc runs graphs. */
export type Provider = "cpu" | "cuda";

/** An execution provider of the installed onnxruntime-node. */
export interface Device {
  readonly provider: Provider;
  /** whether a graph was run on it just now */
  readonly usable: boolean;
  /** why not, and what to do about it */
  readonly why?: string;
  readonly fix?: string;
}

/** What the provider needs beside the package's own libraries. */
const CUDA_LIBRARIES = ["libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"];

/** A model of one Identity over float[1], the least that shows whether a provider starts. */
const PROBE = Buffer.from(
  "CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0=",
  "base64",
);

/**
 * Which providers work here, found by running a graph of one node on each.
 *
 * @throws TfcError RUNTIME_MISSING or RUNTIME_FAILED when onnxruntime-node itself does not load.
 */
export async function devices(): Promise<readonly Device[]> {
  await loadOrt();
  return [await probe("cpu"), cudaObstacle() ?? (await probe("cuda"))];
}

/**
 * Why CUDA cannot work here, as far as the installed files show: null when they are all there, which does not say
 * that there is a GPU.
 */
export function cudaObstacle(): Device | null {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return {
      provider: "cuda",
      usable: false,
      why: `onnxruntime-node has no CUDA provider for ${process.platform}/${process.arch}`,
      fix: "run on Linux x64 for CUDA, or leave the provider at cpu",
    };
  }
  const folder = packageFolder();
  const binaries = path.join(folder, "bin/napi-v6", process.platform, process.arch);
  const missing = CUDA_LIBRARIES.filter((library) => !existsSync(path.join(binaries, library)));
  if (missing.length === 0) return null;
  return {
    provider: "cuda",
    usable: false,
    why: `${missing.join(" and ")} are not installed: npm does not run the script that fetches them from nuget.org`,
    fix: `ONNXRUNTIME_NODE_INSTALL=cuda12 node ${path.join(path.relative("", folder), "script/install.js")}`,
  };
}

/** RUNTIME_PROVIDER: the provider was asked for by name and does not start; `cause` is what onnxruntime said. */
export function providerError(provider: Provider, cause: unknown): TfcError {
  const { why, fix } = (provider === "cuda" ? cudaObstacle() : null) ?? failure(provider, cause);
  return inputError("RUNTIME_PROVIDER", {}, { provider, why: why ?? "", fix: fix ?? "" }, cause);
}

function packageFolder(): string {
  return path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
}

async function probe(provider: Provider): Promise<Device> {
  const ort = await loadOrt();
  try {
    const session = await ort.InferenceSession.create(PROBE, {
      executionProviders: [provider],
      logSeverityLevel: 4,
    });
    await session.run({ x: new ort.Tensor("float32", new Float32Array(1), [1]) });
    await session.release();
    return { provider, usable: true };
  } catch (cause) {
    return failure(provider, cause);
  }
}

function failure(provider: Provider, cause: unknown): Device {
  return {
    provider,
    usable: false,
    why: ortMessage(cause),
    fix:
      provider === "cuda"
        ? "install the NVIDIA driver, CUDA 12 and cuDNN 9, with their libraries on LD_LIBRARY_PATH"
        : "install onnxruntime-node again",
  };
}
