import { existsSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";

/** The checkpoints of a run, each a file that is named by its step. */
export class CheckpointFolder {
  readonly folder: string;

  /** @param out the run's folder */
  constructor(out: string) {
    this.folder = path.join(out, "checkpoints");
  }

  fileOf(step: number): string {
    return path.join(this.folder, `step-${String(step).padStart(6, "0")}.safetensors`);
  }

  /** Steps that there are checkpoints of, the first ones first. */
  steps(): readonly number[] {
    if (!existsSync(this.folder)) return [];
    return readdirSync(this.folder)
      .flatMap((name) => {
        const [, step] = /^step-(\d{6,15})\.safetensors$/.exec(name) ?? [];
        return step === undefined ? [] : [Number(step)];
      })
      .sort((a, b) => a - b);
  }

  /** Removes all but the last ones. */
  keepLast(count: number): void {
    for (const step of this.steps().slice(0, -count)) rmSync(this.fileOf(step), { force: true });
  }
}
