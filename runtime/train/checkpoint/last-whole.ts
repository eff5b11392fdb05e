import { inputError, TfcError } from "../../../compiler/diagnostics/error.ts";
import type { Sink } from "../../../compiler/diagnostics/sink.ts";
import type { Training } from "../../../compiler/ops/training.ts";
import { checkParameters, invalid, readCheckpoint, type Checkpoint } from "./file.ts";
import type { CheckpointFolder } from "./folder.ts";
import type { RunSettings } from "./progress.ts";
import { checkSameSettings } from "./same-settings.ts";

/** A checkpoint and the file that it was read from. */
export interface Found {
  readonly file: string;
  readonly checkpoint: Checkpoint;
}

/** What is said of a file that is damaged. */
const damages: ReadonlySet<string> = new Set([
  ...["SAFETENSORS_INVALID", "TRAIN_CHECKPOINT_INVALID", "FILE_NOT_FOUND"],
]);

/**
 * The last checkpoint of a run that is whole; null where none was written. Of each that is passed over a warning says what
 * is wrong with it.
 *
 * @param settings what the run goes on with
 * @throws TfcError TRAIN_CHECKPOINT_INVALID where none is whole; TRAIN_SETTINGS
 */
export function lastWhole(
  folder: CheckpointFolder,
  training: Training,
  settings: RunSettings,
  sink: Sink,
): Found | null {
  const steps = [...folder.steps()].reverse();
  const damaged: { readonly file: string; readonly found: string }[] = [];
  for (const step of steps) {
    const file = folder.fileOf(step);
    const read = wholeOr(() => checkpointOf(file, step, training, settings));
    if (typeof read === "string") {
      damaged.push({ file, found: read });
      continue;
    }
    for (const { file: place, found } of damaged)
      sink.report("TRAIN_CHECKPOINT_DAMAGED", { file: place }, { found, step });
    return { file, checkpoint: read };
  }
  const [first] = damaged;
  if (first === undefined) return null;
  throw inputError(
    "TRAIN_CHECKPOINT_INVALID",
    { file: first.file },
    { found: first.found, whole: { folder: folder.folder, of: damaged.length } },
  );
}

function checkpointOf(file: string, step: number, training: Training, settings: RunSettings): Checkpoint {
  const checkpoint = readCheckpoint(file);
  // Of a run with other settings nothing else is to be said.
  checkSameSettings(file, checkpoint.settings, settings);
  checkParameters(file, checkpoint, training);
  if (checkpoint.progress.step !== step)
    throw invalid(file, `the checkpoint of step ${checkpoint.progress.step}`);
  for (const [name, { data }] of checkpoint.tensors)
    if (data instanceof Float32Array && !data.every(Number.isFinite))
      throw invalid(file, "a number that is not finite", name);
  return checkpoint;
}

/** What was read, or what is wrong with the file. */
function wholeOr(read: () => Checkpoint): Checkpoint | string {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TfcError) || !damages.has(error.code)) throw error;
    const [first] = error.diagnostics;
    const { found = error.message, place } = first ?? {};
    return place?.name === undefined ? found : `${found} at "${place.name}"`;
  }
}
