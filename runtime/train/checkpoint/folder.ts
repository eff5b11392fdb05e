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

  /**
   * Removes all but the last ones up to a step that was just saved, and those behind it: steps that a run took back, as
   * it could not go on from them.
   */
  keepLast(count: number, saved: number): void {
    const kept = this.steps().filter((step) => step <= saved);
    const last = new Set(kept.slice(-count));
    for (const step of this.steps()) if (!last.has(step)) rmSync(this.fileOf(step), { force: true });
  }
}
