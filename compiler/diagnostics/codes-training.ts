import { error } from "./row.ts";

/** Messages about graphs that train. */
export const trainingCodes = {
  // ---- training graphs
  TRAIN_METADATA_INVALID: error((p: { key: string; found: string }) => ({
    what: `the model's metadata "${p.key}" is no description of a training step`,
    wanted: "JSON with version 1, emit, memory, accumulate, dropout, lossScale, vocabulary and parameters",
    found: p.found,
    fix: "compile the base model again",
  })),
} as const;
