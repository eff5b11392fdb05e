import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { TfcError } from "../../diagnostics/error.ts";

/** Models that are made for a comparison, and go with it. */
export class TemporaryModels {
  readonly #places: readonly string[];
  readonly #folders: string[] = [];

  /**
   * Weights of the base are linked where that can be: in the folder for temporary files or, where that is another disk
   * than the base's, beside the compiled graph.
   */
  constructor(base: string, compiled: string) {
    const disk = diskOf(base);
    const places = [tmpdir(), path.dirname(compiled)];
    this.#places = places.toSorted((a, b) => Number(diskOf(a) !== disk) - Number(diskOf(b) !== disk));
  }

  /**
   * Makes a model in a folder of its own.
   *
   * @param write writes the model, and gives what it has to say
   * @throws the last error where no place can be written to; other errors at once
   */
  async make<T>(write: (output: string) => Promise<T>): Promise<{ readonly file: string; readonly made: T }> {
    let last: unknown;
    for (const where of this.#places) {
      try {
        const folder = mkdtempSync(path.join(where, ".tfc-verify-"));
        this.#folders.push(folder);
        const file = path.join(folder, "model.onnx");
        return { file, made: await write(file) };
      } catch (error) {
        if (!isOfPlace(error)) throw error;
        last = error;
      }
    }
    throw last;
  }

  /** Removes what was made. */
  remove(): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether an error is about where something was written, so that another place may do. */
export function isOfPlace(error: unknown): boolean {
  if (error instanceof TfcError) return error.code === "FILE_NOT_WRITABLE";
  return error instanceof Error && "syscall" in error;
}

/** Null for what is not there. */
function diskOf(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.dev ?? null;
}
