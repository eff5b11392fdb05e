import { existsSync } from "node:fs";
import path from "node:path";
import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";
import { installedBinding } from "./binding.ts";
import { loadOrt, ortMessage } from "./ort.ts";

/** The places where tfc runs graphs. */
export const PROVIDERS = ["cpu", "cuda"] as const;
/** Where tfc runs graphs. */
export type Provider = (typeof PROVIDERS)[number];

/** An execution provider of the installed onnxruntime-node. */
export interface Device {
  readonly provider: Provider;
  /** whether a graph was run on it just now */
  readonly usable: boolean;
  /** why not, and what to do about it */
  readonly why?: string;
  readonly fix?: string;
}

/** What the provider is made of, beside the package's own libraries. */
export const CUDA_LIBRARIES = ["libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"];

/** A model of one Identity over float[1], the least that shows whether a provider starts. */
export const PROBE: Uint8Array = Buffer.from(
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
  const folder = installedBinding()?.libraries;
  const missing = CUDA_LIBRARIES.filter(
    (library) => folder === undefined || !existsSync(path.join(folder, library)),
  );
  if (missing.length === 0) return null;
  return {
    provider: "cuda",
    usable: false,
    why: `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not installed: the npm package comes without`,
    fix: "npx tfc doctor --install-cuda",
  };
}

/** RUNTIME_PROVIDER: the provider was asked for by name and does not start; `cause` is what onnxruntime said. */
export function providerError(provider: Provider, cause: unknown): TfcError {
  const { why, fix } = (provider === "cuda" ? cudaObstacle() : null) ?? failure(provider, cause);
  return inputError("RUNTIME_PROVIDER", {}, { provider, why: why ?? "", fix: fix ?? "" }, cause);
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
        ? "npx tfc doctor: it names what is missing, and how to get it"
        : "install onnxruntime-node again",
  };
}
