import { TfcError } from "../../../compiler/diagnostics/error.ts";
import type { Sink } from "../../../compiler/diagnostics/sink.ts";
import { invalid, readCheckpoint, type Checkpoint } from "./file.ts";
import type { CheckpointFolder } from "./folder.ts";

/** A checkpoint, and the file it was read from. */
export interface FoundCheckpoint {
  readonly file: string;
  readonly checkpoint: Checkpoint;
}

/**
 * Reads a run's last checkpoint; one that is not whole is passed over for the one before it, with a warning.
 *
 * @returns null where there is none
 * @throws TfcError TRAIN_CHECKPOINT_INVALID where there are some, and none is whole
 */
export function lastCheckpoint(folder: CheckpointFolder, sink: Sink): FoundCheckpoint | null {
  const damaged: { readonly file: string; readonly found: string; readonly cause: TfcError }[] = [];
  for (const step of folder.steps().toReversed()) {
    const file = folder.fileOf(step);
    try {
      const checkpoint = readCheckpoint(file);
      for (const { found, ...one } of damaged)
        sink.report("TRAIN_CHECKPOINT_SKIPPED", { file: one.file }, { file: one.file, found, step });
      return { file, checkpoint };
    } catch (cause) {
      if (!(cause instanceof TfcError)) throw cause;
      const [first] = cause.diagnostics;
      damaged.push({ file, found: first?.found ?? first?.what ?? "it cannot be read", cause });
    }
  }
  const [newest] = damaged;
  if (newest === undefined) return null;
  throw newest.cause.code === "TRAIN_CHECKPOINT_INVALID" ? newest.cause : invalid(newest.file, newest.found);
}
