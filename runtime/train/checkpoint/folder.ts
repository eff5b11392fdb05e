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

  /** Removes all but the last ones up to a step. What lies behind it was skipped as no whole checkpoint. */
  keepLast(count: number, upTo: number): void {
    const steps = this.steps().filter((step) => step <= upTo);
    for (const step of steps.slice(0, -count)) rmSync(this.fileOf(step), { force: true });
  }
}
