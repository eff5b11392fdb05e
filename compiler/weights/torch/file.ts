import { constants } from "node:buffer";
import { closeSync, fstatSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { Place } from "../../diagnostics/diagnostic.ts";
import { inputError, type TfcError } from "../../diagnostics/error.ts";
import { openFile, readBytes, STEP } from "../open-file.ts";

/** A file that is open for reading. */
export interface Source {
  /** false for a folder */
  readonly isFile: boolean;
  readonly size: number;
  /** the time of its last change, to tell whether it is still the same */
  readonly modified: number;
  /** Bytes in memory of their own. */
  read(position: number, length: number): Uint8Array;
}

/** The checksum of zip archives. */
export function checksum(bytes: Uint8Array): number {
  let crc = 0;
  for (let at = 0; at < bytes.length; at += STEP) crc = crc32(bytes.subarray(at, at + STEP), crc);
  return crc;
}

/** An error about a checkpoint's file, at a leaf where that is known. */
export function torchInvalid(file: string, why: string, leaf = "", cause?: unknown): TfcError {
  return inputError("TORCH_INVALID", placeInFile(file, leaf), { why }, cause);
}

/** A leaf of a file; without a name the file. */
export function placeInFile(file: string, leaf: string): Place {
  return leaf === "" ? { file } : { file, name: leaf };
}

/**
 * Opens a file for as long as `act` runs.
 *
 * @throws TfcError FILE_NOT_FOUND; TORCH_INVALID where bytes cannot be read, TORCH_UNSUPPORTED where they are more
 *   than fit into one piece of memory
 */
export function reading<T>(file: string, act: (source: Source) => T): T {
  const fd = openFile(file);
  try {
    const stat = fstatSync(fd);
    return act({
      isFile: stat.isFile(),
      size: stat.size,
      modified: stat.mtimeMs,
      read: (position, length) => readAt(file, fd, position, length),
    });
  } finally {
    closeSync(fd);
  }
}

function readAt(file: string, fd: number, position: number, length: number): Uint8Array {
  requireMemory(file, length);
  try {
    return readBytes(fd, position, length);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw torchInvalid(file, `a file that cannot be read: ${why}`, undefined, cause);
  }
}

/** Refuses what Node can hold in no single buffer, which is not the file's fault. */
export function requireMemory(file: string, length: number): void {
  if (length <= constants.MAX_LENGTH) return;
  throw inputError(
    "TORCH_UNSUPPORTED",
    { file },
    {
      what: `${length} bytes in one piece (Node holds at most ${constants.MAX_LENGTH})`,
      fix: "split the tensor",
    },
  );
}

/** A name for a message: it comes from the file and may be anything. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
