import { inputError, TfcError } from "../../../compiler/diagnostics/error.ts";
import type { Sink } from "../../../compiler/diagnostics/sink.ts";
import type { Training } from "../../../compiler/ops/training.ts";
import { checkParameters, invalid, readCheckpoint, type Checkpoint } from "./file.ts";
import { CheckpointFolder } from "./folder.ts";
import { checkpointAt } from "./grown.ts";
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
  const { taken, damaged } = newest(
    folder,
    (file, step) => checkpointOf(file, step, training, settings),
    sink,
  );
  const [first] = damaged;
  if (taken !== null || first === undefined) return taken;
  const whole = { folder: folder.folder, of: damaged.length };
  throw inputError("TRAIN_CHECKPOINT_INVALID", { file: first.file }, { found: first.found, whole });
}

/**
 * The checkpoint that a path means: itself, or the last whole one of a run's folder, whose state another run begins with.
 * Of each that is passed over a warning says what is wrong with it.
 *
 * @throws TfcError TRAIN_STATE for a folder without a whole one; what {@link readCheckpoint} throws of a file
 */
export function wholeAt(where: string, sink: Sink): Found {
  const file = checkpointAt(where);
  if (file === where) return { file, checkpoint: readCheckpoint(file) };
  const { taken, damaged } = newest(new CheckpointFolder(where), readOf, sink);
  if (taken !== null) return taken;
  const found = `no checkpoint that is whole: of the last one ${damaged[0]?.found ?? "nothing"}`;
  throw inputError("TRAIN_STATE", { file: where }, { found });
}

function readOf(file: string, step: number): Checkpoint {
  const checkpoint = readCheckpoint(file);
  if (checkpoint.progress.step !== step)
    throw invalid(file, `the checkpoint of step ${checkpoint.progress.step}`);
  for (const [name, { data }] of checkpoint.tensors)
    if (data instanceof Float32Array && !data.every(Number.isFinite))
      throw invalid(file, "a number that is not finite", name);
  return checkpoint;
}

interface Damage {
  readonly file: string;
  /** What is wrong with it. */
  readonly found: string;
}

function newest(
  folder: CheckpointFolder,
  read: (file: string, step: number) => Checkpoint,
  sink: Sink,
): { readonly taken: Found | null; readonly damaged: readonly Damage[] } {
  const damaged: Damage[] = [];
  for (const step of [...folder.steps()].reverse()) {
    const file = folder.fileOf(step);
    const checkpoint = wholeOr(() => read(file, step));
    if (typeof checkpoint === "string") {
      damaged.push({ file, found: checkpoint });
      continue;
    }
    for (const { file: place, found } of damaged)
      sink.report("TRAIN_CHECKPOINT_DAMAGED", { file: place }, { found, step });
    return { taken: { file, checkpoint }, damaged };
  }
  return { taken: null, damaged };
}

function checkpointOf(file: string, step: number, training: Training, settings: RunSettings): Checkpoint {
  const checkpoint = readOf(file, step);
  // Of a run with other settings nothing else is to be said.
  checkSameSettings(file, checkpoint.settings, settings);
  checkParameters(file, checkpoint, training);
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
