import { ADAPTER_KEY } from "../../adapters/kind.ts";
import type { AdapterFile } from "../adapter-file.ts";
import { adapterMetadata, HEAD_KEY, readMetadata } from "../metadata.ts";
import { makeParts, type Hints } from "../parts.ts";
import { finiteBytes, namedWeights, type Stage } from "../file-weights.ts";
import { BASE_KEY } from "../fingerprint.ts";
import { openSafetensors } from "./weights.ts";
import { layoutSafetensors, writeSafetensors } from "./safetensors.ts";
import { sortWeights } from "../names/sort.ts";

/**
 * Reads an adapter from a safetensors file: tfc's own, whose metadata say what its parts are, or any other state dict.
 *
 * @throws TfcError as {@link openSafetensors}, {@link sortWeights}, {@link readMetadata} and {@link makeParts} do
 */
export function readSafetensorsAdapter(file: string, hints: Hints): AdapterFile {
  const { tensors, metadata } = openSafetensors(file);
  const { drafts, overrides } = sortWeights(file, tensors, metadata.has(ADAPTER_KEY));
  const stated = readMetadata(file, metadata, drafts) ?? (() => ({}));
  return {
    file,
    format: "safetensors",
    parts: makeParts(file, drafts, stated, hints),
    overrides,
    headFollows: metadata.get(HEAD_KEY) !== "own",
    base: metadata.get(BASE_KEY) ?? null,
  };
}

/**
 * Writes tfc's own format: leaves as `{site}.{leaf}`, overrides by their names, and in the metadata what reads them
 * back without loss.
 *
 * @throws TfcError SAFETENSORS_UNSUPPORTED, FILE_NOT_WRITABLE; ADAPTER_NOT_FINITE; what reading a leaf throws
 */
export async function writeSafetensorsAdapter(
  adapter: AdapterFile,
  path: string,
  files: Stage,
): Promise<void> {
  const weights = namedWeights(adapter);
  const entries = [...weights].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const layout = layoutSafetensors(entries, adapterMetadata(adapter));
  await files.stage(path, (temporary) =>
    writeSafetensors(temporary, layout, (name) => finiteBytes(adapter.file, name, weights.get(name))),
  );
}
