import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { inputError } from "../diagnostics/error.ts";
import type { ByteRange } from "../ir/tensor.ts";
import type { Piece } from "./skeleton.ts";

const CHUNK = 8 << 20;

/** Told how many bytes have been copied of how many. */
export type Progress = (file: string, done: number, total: number) => void;

/**
 * The files of one command. Each is written under a temporary name beside its place, and only {@link commit} moves
 * them there: outputs appear whole or not at all.
 */
export class OutputFiles {
  readonly #staged: { readonly temporary: string; readonly file: string }[] = [];
  readonly #madeFolders: string[] = [];

  /** The files that will be there after {@link commit}. */
  get files(): readonly string[] {
    return this.#staged.map((s) => s.file);
  }

  /**
   * Writes a file through `write`, which is given the temporary path.
   *
   * @throws TfcError FILE_NOT_WRITABLE
   */
  async stage(file: string, write: (temporary: string) => void | Promise<void>): Promise<void> {
    const target = resolve(file);
    const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
    this.#staged.push({ temporary, file: target });
    try {
      const made = mkdirSync(dirname(target), { recursive: true });
      if (made !== undefined) this.#madeFolders.push(made);
      rmSync(temporary, { force: true });
      await write(temporary);
    } catch (cause) {
      if (!isSystemError(cause)) throw cause;
      throw inputError("FILE_NOT_WRITABLE", { file }, { file, why: cause.message }, cause);
    }
  }

  /** A second name for the bytes of `from`, or a copy where the file system cannot give one. Says which it was. */
  async link(from: string, file: string, progress?: Progress): Promise<"link" | "copy"> {
    let how: "link" | "copy" = "link";
    await this.stage(file, (temporary) => {
      try {
        linkSync(from, temporary);
      } catch (cause) {
        if (!isSystemError(cause) || !["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EACCES"].includes(cause.code ?? "")) throw cause;
        how = "copy";
        copyFile(from, temporary, file, progress);
      }
    });
    return how;
  }

  async copy(from: string, file: string, progress?: Progress): Promise<void> {
    await this.stage(file, (temporary) => {
      copyFile(from, temporary, file, progress);
    });
  }

  /** Moves every staged file to its place. */
  commit(): void {
    for (const { temporary, file } of this.#staged) {
      try {
        // Renaming a hard link onto another name of the same file does nothing and leaves both behind.
        renameSync(temporary, file);
        rmSync(temporary, { force: true });
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw inputError("FILE_NOT_WRITABLE", { file }, { file, why }, cause);
      }
    }
    this.#staged.length = 0;
    this.#madeFolders.length = 0;
  }

  /** Removes what was staged and not committed. */
  discard(): void {
    for (const { temporary } of this.#staged) rmSync(temporary, { force: true });
    for (const folder of this.#madeFolders) if (existsSync(folder)) rmSync(folder, { recursive: true });
    this.#staged.length = 0;
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "syscall" in error;
}

/** Writes pieces in order, small ones gathered into large writes. */
export function writePieces(file: string, pieces: readonly Piece[], onBytes?: (done: number) => void): void {
  const fd = openSync(file, "wx");
  try {
    const buffer = new Uint8Array(1 << 20);
    let [fill, done] = [0, 0];
    const flush = (): void => {
      writeAll(fd, buffer.subarray(0, fill));
      fill = 0;
    };
    for (const piece of pieces) {
      if (piece instanceof Uint8Array && piece.length <= buffer.length) {
        if (fill + piece.length > buffer.length) flush();
        buffer.set(piece, fill);
        fill += piece.length;
      } else {
        flush();
        if (piece instanceof Uint8Array) writeAll(fd, piece);
        else copyRange(piece, fd, (n) => onBytes?.(done + n));
      }
      done += piece.length;
    }
    flush();
  } finally {
    closeSync(fd);
  }
}

/** Writes all of `bytes`. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done);
}

function copyRange(range: ByteRange, to: number, onBytes?: (done: number) => void): void {
  const from = openSync(range.file, "r");
  try {
    const buffer = new Uint8Array(Math.min(CHUNK, range.length));
    let done = 0;
    while (done < range.length) {
      const n = readSync(from, buffer, 0, Math.min(buffer.length, range.length - done), range.offset + done);
      if (n === 0) throw new Error(`${range.file} became shorter while it was copied`);
      writeAll(to, buffer.subarray(0, n));
      done += n;
      onBytes?.(done);
    }
  } finally {
    closeSync(from);
  }
}

function copyFile(from: string, to: string, shown: string, progress?: Progress): void {
  if (cloneFile(from, to)) return;
  const source = openSync(from, "r");
  const target = openSync(to, "wx");
  try {
    const total = fstatSync(source).size;
    const buffer = new Uint8Array(CHUNK);
    let done = 0;
    for (;;) {
      const n = readSync(source, buffer, 0, buffer.length, done);
      if (n === 0) break;
      writeAll(target, buffer.subarray(0, n));
      done += n;
      progress?.(shown, done, total);
    }
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

/** A copy that shares the blocks until one is written to, where the file system can do that. */
function cloneFile(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    rmSync(to, { force: true });
    return false;
  }
}
