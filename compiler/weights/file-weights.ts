import { internalError } from "../diagnostics/error.ts";
import type { AdapterFile } from "./adapter-file.ts";
import { checkFinite } from "./finite.ts";
import { siteName } from "../sites/names.ts";
import type { WeightTensor } from "./weight.ts";

/** Where files are written so that all appear, or none. */
export interface Stage {
  stage(file: string, write: (temporary: string) => void | Promise<void>): Promise<void>;
}

/** Every tensor of an adapter by its name: leaves as `{site}.{leaf}`, then the overrides. */
export function namedWeights(adapter: AdapterFile): ReadonlyMap<string, WeightTensor> {
  const leaves = adapter.parts.flatMap(({ site, leaves }) =>
    [...leaves].map(([leaf, tensor]) => [`${siteName(site)}.${leaf}`, tensor] as const),
  );
  return new Map([...leaves, ...adapter.overrides]);
}

/**
 * The bytes of a weight, which are all numbers.
 *
 * @throws TfcError ADAPTER_NOT_FINITE; what reading the weight throws
 */
export function finiteBytes(file: string, name: string, tensor: WeightTensor | undefined): Uint8Array {
  if (tensor === undefined) throw internalError({ file, name }, "a weight that nobody has");
  const bytes = tensor.bytes();
  checkFinite({ file, name }, tensor.dtype, bytes);
  return bytes;
}

/** The same weight, which refuses to give bytes that are no numbers. */
export function finite(file: string, name: string, tensor: WeightTensor): WeightTensor {
  const { dtype, shape } = tensor;
  return { dtype, shape, bytes: () => finiteBytes(file, name, tensor) };
}
