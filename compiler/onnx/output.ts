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
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { inputError, TfcError } from "../diagnostics/error.ts";
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
   * Makes the folder a file is to go to. Called for the main output first, so that one that cannot be written is said
   * at once, by the name that was asked for, and not after other files were copied.
   *
   * @param bytes how many will be written, where that is known
   * @throws TfcError FILE_NOT_WRITABLE
   */
  prepare(file: string, bytes = 0): void {
    checkFileName(file);
    const target = resolve(file);
    try {
      this.#madeFolders.push(...makeFolder(dirname(target)));
      checkTarget(target);
      checkSpace(target, bytes);
    } catch (cause) {
      const why = failureOf(cause);
      if (why === null) throw cause;
      throw inputError("FILE_NOT_WRITABLE", { file }, { file, why }, cause);
    }
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
    this.prepare(file);
    try {
      rmSync(temporary, { force: true });
      await write(temporary);
    } catch (cause) {
      const why = failureOf(cause, temporary);
      if (why === null) throw cause;
      throw inputError("FILE_NOT_WRITABLE", { file }, { file, why }, cause);
    }
  }

  /** A second name for the bytes of `from`, or a copy where the file system cannot give one. Says which it was. */
  async link(from: string, file: string, progress?: Progress): Promise<"link" | "copy"> {
    let how: "link" | "copy" = "link";
    await this.stage(file, (temporary) => {
      try {
        // The file itself: a second name of a symbolic link would lead nowhere from another folder.
        linkSync(realpathSync(from), temporary);
      } catch (cause) {
        if (
          !isSystemError(cause) ||
          !["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EACCES"].includes(cause.code ?? "")
        )
          throw cause;
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

  /**
   * Moves every staged file to its place. Where one cannot be moved, those before it are taken back, and what they
   * replaced is there again.
   *
   * @throws TfcError FILE_NOT_WRITABLE
   */
  commit(): void {
    const undo: (() => void)[] = [];
    const kept: string[] = [];
    for (const { temporary, file } of this.#staged) {
      try {
        checkTarget(file);
        const old = keepOld(file);
        if (old !== null) kept.push(old);
        undo.unshift(() => {
          if (old === null) rmSync(file, { force: true });
          else renameSync(old, file);
        });
        renameSync(temporary, file);
        // Renaming a hard link onto another name of the same file does nothing and leaves both behind.
        rmSync(temporary, { force: true });
      } catch (cause) {
        for (const back of undo) back();
        for (const old of kept) rmSync(old, { force: true });
        const why = failureOf(cause, temporary) ?? String(cause);
        throw inputError("FILE_NOT_WRITABLE", { file }, { file, why }, cause);
      }
    }
    for (const old of kept) rmSync(old, { force: true });
    this.#staged.length = 0;
    this.#madeFolders.length = 0;
  }

  /** Removes what was staged and not committed. */
  discard(): void {
    // Below a folder that is none there is nothing to remove, and rmSync would fail.
    for (const { temporary } of this.#staged) if (existsSync(temporary)) rmSync(temporary, { force: true });
    for (const folder of this.#madeFolders) if (existsSync(folder)) rmSync(folder, { recursive: true });
    this.#staged.length = 0;
  }
}

/** A second name for what a file is about to replace, or null where nothing is there. */
function keepOld(file: string): string | null {
  if (!existsSync(file)) return null;
  const old = join(dirname(file), `.${basename(file)}.${process.pid}.old`);
  rmSync(old, { force: true });
  linkSync(file, old);
  return old;
}

/**
 * Refuses a name that says of itself that it is a folder's: resolved, it would be a file's.
 *
 * @throws TfcError FILE_NOT_WRITABLE
 */
export function checkFileName(file: string): void {
  if (!file.endsWith("/") && !file.endsWith(sep)) return;
  throw inputError("FILE_NOT_WRITABLE", { file }, { file, why: "the name of a folder" });
}

/** Only a regular file may be replaced: a device or a folder of this name is surely not meant. */
function checkTarget(file: string): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined || stat.isFile()) return;
  const why = stat.isDirectory() ? "a folder of this name" : "something of this name that is no regular file";
  throw inputError("FILE_NOT_WRITABLE", { file }, { file, why });
}

function checkSpace(file: string, bytes: number): void {
  if (bytes === 0) return;
  const { bavail, bsize } = statfsSync(dirname(file));
  if (bytes <= bavail * bsize) return;
  const why = `${bytes} bytes to write and ${bavail * bsize} bytes free on the disk`;
  throw inputError("FILE_NOT_WRITABLE", { file }, { file, why });
}

/**
 * Makes a folder and those it lies in. One by one: `mkdirSync` with `recursive` never returns where the system says
 * ENOENT below a folder that is there, as /proc does.
 *
 * @returns the folders made
 */
function makeFolder(folder: string): string[] {
  const missing: string[] = [];
  for (let at = folder; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at);
  for (const one of missing) mkdirSync(one);
  if (!statSync(folder).isDirectory()) {
    throw inputError("FILE_NOT_WRITABLE", { file: folder }, { file: folder, why: `${folder} is no folder` });
  }
  return missing.slice(0, 1);
}

/** What the file system said, also through a writer that names the temporary file; null for other failures. */
function failureOf(cause: unknown, temporary = ""): string | null {
  const [first] = cause instanceof TfcError ? cause.diagnostics : [];
  const text =
    first?.code === "FILE_NOT_WRITABLE" ? first.found : isSystemError(cause) ? cause.message : undefined;
  if (text === undefined) return null;
  return temporary === "" ? text : text.replaceAll(temporary, "a temporary file there");
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return typeof error === "object" && error !== null && "code" in error && "syscall" in error;
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
