import { isObject } from "../../generate/json-file.ts";
import type { LossScaleState } from "../loss-scale.ts";

/** The lowest loss that an evaluation has found. */
export interface Best {
  readonly step: number;
  readonly loss: number;
}

/**
 * Where a run is, without its tensors. Random numbers need no state of their own: each order of the data follows from
 * seed and epoch, each seed of dropout from seed and step.
 */
export interface RunProgress {
  /** Steps that were made. */
  readonly step: number;
  /** Updates: steps without those that overflowed. */
  readonly updates: number;
  /** The position in the data: the epoch, from 0, and how many of its sequences were read. */
  readonly epoch: number;
  readonly sequences: number;
  readonly lossScale: LossScaleState;
  readonly best: Best | null;
}

/** What a run's settings are, by the names of options; null for one that was left out. */
export type RunSettings = Readonly<Record<string, string | number | boolean | null>>;

/** What a checkpoint says beside its tensors. */
export interface CheckpointText {
  readonly version: 1;
  readonly progress: RunProgress;
  readonly settings: RunSettings;
  /** Of the tensors' bytes; files of older versions have none. */
  readonly crc32?: number;
}

/** Reads what a checkpoint says; null for what is none. */
export function parseCheckpoint(text: string | undefined): CheckpointText | null {
  const value = parsed(text ?? "");
  if (!isObject(value) || value["version"] !== 1) return null;
  const { progress, settings } = value;
  if (!isObject(progress) || !isObject(settings)) return null;
  if (!Object.values(settings).every((one) => one === null || typeof one !== "object")) return null;
  const { lossScale, best } = progress;
  const counts = ["step", "updates", "epoch", "sequences"].map((name) => progress[name]);
  const isWhole = best === null || isBest(best);
  const isSum = value["crc32"] === undefined || isCount(value["crc32"]);
  const isScale = isObject(lossScale) && isNumber(lossScale["value"]) && isCount(lossScale["good"]);
  return counts.every(isCount) && isSum && isWhole && isScale ? (value as unknown as CheckpointText) : null;
}

/** Reads a best evaluation; null for what is none. */
export function parseBest(text: string): Best | null {
  const value = parsed(text);
  return isBest(value) ? value : null;
}

function isBest(value: unknown): value is Best {
  return isObject(value) && isCount(value["step"]) && isNumber(value["loss"]);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value);
}
