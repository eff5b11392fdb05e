import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { makeFolder } from "../../compiler/onnx/output/folders.ts";
import { isRunning, newToken, parseToken } from "../../compiler/onnx/output/owner.ts";
import { CheckpointFolder } from "./checkpoint/folder.ts";

/** What says which process writes into a run's folder. */
const LOCK = ".running";

/** The folder of a run, which one process at a time writes into. */
export class RunFolder {
  readonly checkpoints: CheckpointFolder;
  readonly #out: string;
  readonly #isNew: boolean;
  readonly #hadModel: boolean;
  readonly #token = newToken();

  /**
   * Takes a folder for a run; one that is not there is made.
   *
   * @param isResumed whether there is a run in it that is to go on; else there must be none
   * @throws TfcError TRAIN_OUT_USED, TRAIN_OUT_BUSY, TRAIN_RESUME_NOTHING; FILE_NOT_WRITABLE
   */
  constructor(out: string, isResumed: boolean) {
    checkFree(path.join(out, LOCK), out);
    [this.#out, this.checkpoints, this.#isNew] = [out, new CheckpointFolder(out), !existsSync(out)];
    this.#hadModel = existsSync(this.model);
    const found = [this.metrics, this.checkpoints.folder].filter((one) => existsSync(one));
    // A run that was killed before its first step leaves what it was being prepared with.
    const prepared = [this.#lockFile, this.tokens, this.model].some((one) => existsSync(one));
    if (isResumed && found.length === 0 && !prepared)
      throw inputError("TRAIN_RESUME_NOTHING", { file: out }, {});
    const [first] = found;
    if (!isResumed && first !== undefined)
      throw inputError("TRAIN_OUT_USED", { file: out }, { found: path.basename(first) });
    writing(out, () => {
      makeFolder(out);
    });
    this.#lock();
  }

  get adapter(): string {
    return path.join(this.#out, "adapter.safetensors");
  }
  get best(): string {
    return path.join(this.#out, "best.safetensors");
  }
  get metrics(): string {
    return path.join(this.#out, "metrics.jsonl");
  }
  get plot(): string {
    return path.join(this.#out, "loss.svg");
  }
  get page(): string {
    return path.join(this.#out, "index.html");
  }
  /** Graphs that are made for the run. */
  get model(): string {
    return path.join(this.#out, "model");
  }
  get tokens(): string {
    return path.join(this.#out, ".tokens");
  }

  /** Lets others write into the folder. What was made for a run that has not begun is removed. */
  release(): void {
    rmSync(this.#lockFile, { force: true });
    if (!this.#hadModel && !existsSync(this.metrics)) rmSync(this.model, { recursive: true, force: true });
    if (this.#isNew && existsSync(this.#out) && readdirSync(this.#out).length === 0) rmdirSync(this.#out);
  }

  get #lockFile(): string {
    return path.join(this.#out, LOCK);
  }

  #lock(): void {
    checkFree(this.#lockFile, this.#out);
    writing(this.#out, () => {
      writeFileSync(this.#lockFile, this.#token);
    });
  }
}

/** @throws TfcError TRAIN_OUT_BUSY where another process has a folder, whatever else is in it */
function checkFree(lock: string, out: string): void {
  const owner = existsSync(lock) ? parseToken(readFileSync(lock, "latin1")) : null;
  if (owner !== null && owner.pid !== process.pid && isRunning(owner) === true)
    throw inputError("TRAIN_OUT_BUSY", { file: out }, { pid: owner.pid });
}

function writing(file: string, act: () => void): void {
  try {
    act();
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_WRITABLE", { file }, { file, why }, cause);
  }
}
