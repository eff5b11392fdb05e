import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { inputError, TfcError } from "../diagnostics/error.ts";
import type { ByteRange } from "../ir/tensor.ts";
import { refusePointer } from "./lfs.ts";
import { insteadOfFolder } from "./models-in.ts";
import { cannotOpen } from "./open-failure.ts";

const WINDOW = 1 << 20;

/** A file read through a window, so that a walk over it costs memory for the window alone. */
export class FileSource {
  readonly file: string;
  readonly size: number;
  readonly #fd: number;
  #window: Uint8Array = new Uint8Array(0);
  #start = 0;

  /** @throws TfcError FILE_NOT_FOUND, FILE_IS_LFS_POINTER */
  constructor(file: string) {
    this.file = file;
    try {
      // Asked before it is opened: opening a pipe would wait for someone to write into it.
      const stat = statSync(file);
      if (!stat.isFile()) throw notAFile(file, stat.isDirectory());
      this.#fd = openSync(file, "r");
      this.size = fstatSync(this.#fd).size;
    } catch (cause) {
      if (cause instanceof TfcError) throw cause;
      throw cannotOpen(file, cause);
    }
    try {
      refusePointer(file, this.#fd);
    } catch (cause) {
      this.close();
      throw cause;
    }
  }

  /** The byte at `position`, which must lie in the file. */
  byte(position: number): number {
    if (position < this.#start || position >= this.#start + this.#window.length) this.#load(position);
    return this.#window[position - this.#start] ?? 0;
  }

  /** A copy of some bytes. */
  slice(start: number, end: number): Uint8Array {
    if (start >= this.#start && end <= this.#start + this.#window.length) {
      return this.#window.slice(start - this.#start, end - this.#start);
    }
    return this.#read(start, end - start);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #load(position: number): void {
    this.#start = position;
    this.#window = this.#read(position, Math.min(WINDOW, this.size - position));
  }

  #read(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const n = readSync(this.#fd, bytes, done, length - done, position + done);
      if (n === 0) break;
      done += n;
    }
    return bytes;
  }
}

function notAFile(file: string, isFolder: boolean): TfcError {
  const found = isFolder ? "a folder" : "something else than a regular file";
  const fix = isFolder ? { fix: insteadOfFolder(file) } : {};
  return inputError("FILE_NOT_FOUND", { file }, { file, found, ...fix });
}

/** Reads a range of a file now. */
export function readRange(range: ByteRange): Uint8Array {
  const source = new FileSource(range.file);
  try {
    return source.slice(range.offset, range.offset + range.length);
  } finally {
    source.close();
  }
}

const files: string[] = [];

/** The number under which a {@link Blob} names a file. */
export function sourceNumber(file: string): number {
  const known = files.indexOf(file);
  return known >= 0 ? known : files.push(file) - 1;
}

/** The file behind a number of {@link sourceNumber}. */
export function sourceFile(number: number): string {
  return files[number] ?? "";
}
