import { ADAPTER_KEY } from "../../adapters/kind.ts";
import type { AdapterFile } from "../adapter-file.ts";
import { BASE_KEY } from "../base.ts";
import { HEAD_KEY, readMetadata } from "../metadata.ts";
import { sortWeights } from "../names/sort.ts";
import { makeParts, type Hints } from "../parts.ts";
import type { WeightTensor } from "../weight.ts";

/** A safetensors file: its tensors, and what it says of itself. */
export interface OpenedSafetensors {
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * The adapter in a safetensors file.
 *
 * @param file what messages call it
 * @throws TfcError as {@link sortWeights}, {@link readMetadata} and {@link makeParts} do
 */
export function adapterIn(file: string, { tensors, metadata }: OpenedSafetensors, hints: Hints): AdapterFile {
  const { drafts, overrides } = sortWeights(file, tensors, metadata.has(ADAPTER_KEY));
  const stated = readMetadata(file, metadata, drafts);
  const parts = makeParts(file, drafts, (draft) => stated?.(draft).settings ?? {}, hints);
  const replaces = drafts.map((draft) => stated?.(draft).replaces === true);
  return {
    file,
    format: "safetensors",
    parts: parts.map((part, i) => (replaces[i] === true ? { ...part, replaces: true } : part)),
    overrides,
    headFollows: metadata.get(HEAD_KEY) !== "own",
    base: metadata.get(BASE_KEY) ?? null,
  };
}
