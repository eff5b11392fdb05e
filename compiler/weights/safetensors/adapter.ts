import type { AdapterFile } from "../adapter-file.ts";
import { finiteBytes, namedWeights, type Stage } from "../file-weights.ts";
import { adapterMetadata } from "../metadata.ts";
import type { Hints } from "../parts.ts";
import { adapterIn } from "./parts.ts";
import { layoutSafetensors, writeSafetensors } from "./safetensors.ts";
import { openSafetensors } from "./weights.ts";

/**
 * Reads an adapter from a safetensors file: tfc's own, whose metadata say what its parts are, or any other state dict.
 *
 * @throws TfcError as {@link openSafetensors} and {@link adapterIn} do
 */
export function readSafetensorsAdapter(file: string, hints: Hints): AdapterFile {
  return adapterIn(file, openSafetensors(file), hints);
}

/**
 * Writes tfc's own format: leaves as `{site}.{leaf}`, overrides by their names, and in the metadata what reads them
 * back without loss.
 *
 * @param said what else the metadata are to say
 * @throws TfcError SAFETENSORS_UNSUPPORTED, FILE_NOT_WRITABLE; ADAPTER_NOT_FINITE; what reading a leaf throws
 */
export async function writeSafetensorsAdapter(
  adapter: AdapterFile,
  path: string,
  files: Stage,
  said: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const weights = namedWeights(adapter);
  const entries = [...weights].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const layout = layoutSafetensors(entries, new Map([...adapterMetadata(adapter), ...said]));
  await files.stage(path, (temporary) =>
    writeSafetensors(temporary, layout, (name) => finiteBytes(adapter.file, name, weights.get(name))),
  );
}
