import { ADAPTER_KEY } from "../../adapters/kind.ts";
import type { AdapterFile } from "../adapter-file.ts";
import { BASE_KEY } from "../base.ts";
import { HEAD_KEY, readMetadata } from "../metadata.ts";
import { CHECKPOINT_KEY, parameterPorts } from "../../ops/training.ts";
import { sortWeights } from "../names/sort.ts";
import { makeParts, type Hints } from "../parts.ts";
import type { WeightTensor } from "../weight.ts";

/** A safetensors file: its tensors, and what it says of itself. */
export interface OpenedSafetensors {
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * The adapter in a safetensors file, which may be a checkpoint of training: then without the optimizer's state.
 *
 * @param file what messages call it
 * @throws TfcError as {@link sortWeights}, {@link readMetadata} and {@link makeParts} do
 */
export function adapterIn(file: string, { tensors, metadata }: OpenedSafetensors, hints: Hints): AdapterFile {
  const isCheckpoint = metadata.has(CHECKPOINT_KEY);
  const weights = isCheckpoint ? withoutMoments(tensors) : tensors;
  const { drafts, overrides } = sortWeights(file, weights, isCheckpoint || metadata.has(ADAPTER_KEY));
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
    ...(isCheckpoint ? { isCheckpoint } : {}),
  };
}

/** Parameters alone, without AdamW's moments of each. */
function withoutMoments(tensors: OpenedSafetensors["tensors"]): OpenedSafetensors["tensors"] {
  const moments = new Set(
    [...tensors.keys()].flatMap((name) => {
      const { expAvg, expAvgSq } = parameterPorts(name);
      return [expAvg, expAvgSq];
    }),
  );
  return new Map([...tensors].filter(([name]) => !moments.has(name)));
}
