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
  // ---- gradients
  NO_GRADIENT_RULE: error((p: { ops: readonly string[]; why: string }) => ({
    what: "the graph cannot be differentiated",
    wanted: "between the parameters that are trained and the loss, ops that gradients have a rule for",
    found: `${p.ops.join(", ")}${p.why === "" ? "" : `: ${p.why}`}`,
    fix: "put adapters behind these ops only, or export the model so that they are written in others",
  })),
} as const;
