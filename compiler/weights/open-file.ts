import { closeSync, openSync, readSync } from "node:fs";
import { refusePointer } from "../onnx/lfs.ts";
import { opening } from "../onnx/open-failure.ts";

/** Node reads and writes less than 2 GiB in one call, and its checksum leaves out what lies beyond 4 GiB. */
export const STEP = 2 ** 30;

/** Opens a file for reading. @throws TfcError FILE_NOT_FOUND, FILE_IS_LFS_POINTER */
export function openFile(file: string): number {
  const fd = opening(file, () => openSync(file, "r"));
  try {
    refusePointer(file, fd);
    return fd;
  } catch (cause) {
    closeSync(fd);
    throw cause;
  }
}

/** Bytes of an open file, in memory of their own. @throws Error where the file ends before them */
export function readBytes(fd: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const n = readSync(fd, bytes, done, Math.min(length - done, STEP), position + done);
    if (n === 0) throw new Error("the file became shorter while it was read");
    done += n;
  }
  return bytes;
}
