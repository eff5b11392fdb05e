import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { inputError } from "../diagnostics/error.ts";
import { opening } from "./open-failure.ts";

/** Pointers are smaller than this, and begin so: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
const LIMIT = 1024;
const START = /^version https:\/\/(?:git-lfs|hawser)\.github\.com\/spec\//;

/**
 * Refuses a Git LFS pointer: a few lines of text that a checkout has in place of a large file that was not fetched.
 *
 * @param fd the open file
 * @throws TfcError FILE_IS_LFS_POINTER
 */
export function refusePointer(file: string, fd: number): void {
  const { size } = fstatSync(fd);
  if (size >= LIMIT) return;
  const bytes = Buffer.alloc(size);
  const text = bytes.toString("latin1", 0, readSync(fd, bytes, 0, size, 0));
  if (!START.test(text)) return;
  const [, stands] = /^size (\d+)$/m.exec(text) ?? [];
  throw inputError("FILE_IS_LFS_POINTER", { file }, { file, size: stands ?? null });
}

/** The same of a file that is not open. @throws TfcError FILE_NOT_FOUND, FILE_IS_LFS_POINTER */
export function refusePointerAt(file: string): void {
  const fd = opening(file, () => openSync(file, "r"));
  try {
    refusePointer(file, fd);
  } finally {
    closeSync(fd);
  }
}
