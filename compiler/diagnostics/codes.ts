import { adapterCodes } from "./codes-adapters.ts";
import { buildingCodes } from "./codes-building.ts";
import { loopCodes } from "./codes-loop.ts";
import { loweringCodes } from "./codes-lowering.ts";
import { machineCodes } from "./codes-machine.ts";
import { modelCodes } from "./codes-model.ts";
import { packagingCodes } from "./codes-packaging.ts";
import { runningCodes } from "./codes-running.ts";
import { servingCodes } from "./codes-serving.ts";
import { textCodes } from "./codes-text.ts";
import { trainerCodes } from "./codes-trainer.ts";
import { trainingCodes } from "./codes-training.ts";

export type { Severity, Text } from "./row.ts";

/**
 * Every message tfc has. The id is stable: scripts and tests rely on it. docs/errors.md is generated from this
 * table, and test/diagnostics has an example of each.
 */
export const codes = {
  ...modelCodes,
  ...loweringCodes,
  ...loopCodes,
  ...trainingCodes,
  ...trainerCodes,
  ...adapterCodes,
  ...runningCodes,
  ...servingCodes,
  ...textCodes,
  ...machineCodes,
  ...packagingCodes,
  ...buildingCodes,
} as const;

/** A message's code: a row of docs/errors.md. */
export type Code = keyof typeof codes;
export type Params<C extends Code> = Parameters<(typeof codes)[C]["text"]>[0];
