import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { inputError } from "../../diagnostics/error.ts";
import type { ByteRange } from "../../ir/tensor.ts";
import type { Piece } from "../skeleton.ts";

const CHUNK = 8 << 20;

/** Is told how many bytes of a file have been written, and of how many. */
export type Progress = (file: string, done: number, total: number) => void;

/** Work in steps of at most a chunk; each says how many bytes are done. */
type Steps = Generator<number, void, void>;

/** Writes pieces in order, small ones gathered into large writes. */
export function writePieces(file: string, pieces: readonly Piece[]): void {
  const steps = pieceSteps(file, pieces);
  while (steps.next().done !== true);
}

/** Takes one step after another, and lets the process hear of an interruption in between. */
export async function inSteps(steps: Steps, onBytes: (done: number) => void): Promise<void> {
  for (const done of steps) {
    onBytes(done);
    await setImmediate();
  }
}

/** The steps of {@link writePieces}. */
export function* pieceSteps(file: string, pieces: readonly Piece[]): Steps {
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
        else for (const copied of rangeSteps(piece, fd)) yield done + copied;
      }
      done += piece.length;
    }
    flush();
  } finally {
    closeSync(fd);
  }
}

/** @param at where in the file; behind what was written last when left out */
function writeAll(fd: number, bytes: Uint8Array, at?: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, bytes.length - done, at === undefined ? null : at + done);
}

function* rangeSteps(range: ByteRange, to: number): Steps {
  const from = openSync(range.file, "r");
  try {
    const buffer = new Uint8Array(Math.min(CHUNK, range.length));
    for (let done = 0; done < range.length;) {
      const n = readSync(from, buffer, 0, Math.min(buffer.length, range.length - done), range.offset + done);
      if (n === 0) throw tooShort(range, range.offset + done);
      writeAll(to, buffer.subarray(0, n));
      done += n;
      yield done;
    }
  } finally {
    closeSync(from);
  }
}

function tooShort({ file, offset, length }: ByteRange, found: number): Error {
  const wanted = `at least ${offset + length} bytes`;
  return inputError("INPUT_CHANGED", { file }, { file, wanted, found: `${found} bytes` });
}

/** The steps of copying a file. What is a hole in it stays one. */
export function* copySteps(from: string, to: string): Steps {
  const source = openSync(from, "r");
  try {
    const target = openSync(to, "wx");
    try {
      const { size, blocks } = fstatSync(source);
      const hasHoles = blocks * 512 < size;
      const buffer = Buffer.alloc(Math.min(CHUNK, size + 1));
      const zeros = hasHoles ? Buffer.alloc(buffer.length) : null;
      let done = 0;
      for (;;) {
        const n = readSync(source, buffer, 0, buffer.length, done);
        if (n === 0) break;
        const isHole = zeros !== null && buffer.compare(zeros, 0, n, 0, n) === 0;
        if (!isHole) writeAll(target, buffer.subarray(0, n), done);
        done += n;
        yield done;
      }
      if (hasHoles) ftruncateSync(target, done);
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

/** Copies a file all at once, and yet a piece at a time. */
export function copyFile(from: string, to: string): void {
  const steps = copySteps(from, to);
  while (steps.next().done !== true);
}

/** A copy that shares the blocks until one is written to. @returns false where the file system cannot do that */
export function cloneFile(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    rmSync(to, { force: true });
    return false;
  }
}

/** Waits until a file's bytes are on the disk. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Waits until the names in a folder are on the disk, where a system can be asked for that. */
export function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    // Windows opens no folders; some network file systems sync none.
    if (!["EISDIR", "EPERM", "EACCES", "EINVAL", "ENOTSUP", "EBADF"].includes(code)) throw cause;
  }
}
