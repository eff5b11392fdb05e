import { schedules } from "../../../runtime/train/schedule.ts";
import { freshNames } from "../../adapters/index.ts";
import { memories } from "../../ops/training.ts";
import { blockSizes } from "../../weights/nbits/settings.ts";
import { inputError } from "../../diagnostics/error.ts";
import { checkGiven, holds, isSomeTexts, isText, oneOf, type Check, type Checks } from "../check-given.ts";
import { halfNames } from "../dtypes.ts";
import { sharedWeightModes } from "../place-weights.ts";
import { isBlockSize, quantizations, quantizeSettings } from "../quantize.ts";
import type { TrainModelOptions } from "./train.ts";

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const count: Check = [
  "a whole number, 1 or more",
  (value) => Number.isSafeInteger(value) && Number(value) >= 1,
];
const positive: Check = ["a number above 0", (value) => isNumber(value) && value > 0];
const least0: Check = ["a number, 0 or more", (value) => isNumber(value) && value >= 0];
const share = (words: string, holdsIt: (value: number) => boolean): Check => [
  words,
  (value) => isNumber(value) && holdsIt(value),
];

/** What each option may hold; what is about compiling is checked again where it is understood. */
const checks: Checks<TrainModelOptions> = {
  data: ["a list of files, one at least", isSomeTexts],
  out: holds.path,
  epochs: positive,
  steps: count,
  batch: count,
  accumulate: count,
  length: ["a whole number, 2 or more", (value) => Number.isSafeInteger(value) && Number(value) >= 2],
  packing: oneOf(["pack", "pad"]),
  learningRate: positive,
  schedule: oneOf(schedules),
  warmup: share("a number from 0 to 1", (value) => value >= 0 && value <= 1),
  weightDecay: least0,
  clip: least0,
  evalSplit: share("a number from 0 to 1, without 1", (value) => value >= 0 && value < 1),
  evalEvery: count,
  saveEvery: count,
  keep: count,
  seed: ["a whole number, 0 or more", (value) => Number.isSafeInteger(value) && Number(value) >= 0],
  device: oneOf(["auto", "cpu", "cuda"]),
  threads: count,
  tokenizer: holds.path,
  resume: holds.yesNo,
  state: holds.path,
  signal: ["an AbortSignal", (value) => typeof value === "object" && value !== null && "aborted" in value],
  onEvent: holds.callback,
  adapter: oneOf(freshNames),
  sites: ["text, or a list of texts", (value) => isText(value) || isSomeTexts(value)],
  settings: holds.settings,
  entries: holds.list,
  adapters: holds.yesNo,
  load: ["a list of paths, one at least", isSomeTexts],
  replace: holds.list,
  force: holds.yesNo,
  base: ["what is trained, as text", isText],
  fromScratch: holds.yesNo,
  memory: oneOf(memories),
  dropout: share("a number from 0 to 1, without 1", (value) => value >= 0 && value < 1),
  dtype: oneOf(halfNames),
  quantize: oneOf(quantizations),
  block: [blockSizes.join(", "), isBlockSize],
  symmetric: holds.yesNo,
  weights: oneOf(sharedWeightModes),
};

/** @throws TfcError OPTION_* */
export function checkTrainOptions(options: TrainModelOptions): void {
  checkGiven(options, checks, "train", ["data", "out"]);
  if (options.epochs !== undefined && options.steps !== undefined)
    throw inputError("OPTION_CONFLICT", {}, { option: "steps", other: "`epochs`" });
  quantizeSettings(options);
  const scales = [options.settings, ...(options.entries ?? []).map(({ settings }) => settings)];
  // Times 0, what is learned counts for nothing, and its gradient is 0.
  if (scales.some((settings) => settings?.["alpha"] === 0))
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: "alpha", wanted: "a number above 0", found: "0" });
}
