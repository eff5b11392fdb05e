import { renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { cloneFile, copyFile } from "../onnx/output/copy.ts";
import { makeFolder } from "../onnx/output/folders.ts";
import type { EntryFile, PlacedEntry } from "./entry.ts";

/** Bytes up to which a file goes through the bundler; larger ones are put beside its files without being read. */
export const IN_MEMORY = 16 * 2 ** 20;

/** Whether a file is put in its place without being read. */
export function isLarge({ size }: EntryFile): boolean {
  return size > IN_MEMORY;
}

/**
 * Puts a copy of an entry's file into a folder, a piece at a time. It shares its blocks with the entry where a file
 * system can do that, and never the file: what is built outlives its sources, and who writes over one of them, in place,
 * means that one.
 *
 * @returns the copy's path
 */
export function placeFile(entry: PlacedEntry, { path }: EntryFile, folder: string): string {
  const [from, to] = [join(entry.folder, path), join(folder, path)];
  if (!isCopy(from, to)) placeCopy(from, to);
  return to;
}

/** Puts a copy of a file in a place, whole or not at all. */
export function placeCopy(from: string, to: string): void {
  makeFolder(dirname(to));
  const temporary = `${to}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  try {
    if (!cloneFile(from, temporary)) copyFile(from, temporary);
    const { atime, mtime } = statSync(from);
    utimesSync(temporary, atime, mtime);
    renameSync(temporary, to);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Whether a path has the copy already: paths tell contents apart, and a copy has the time of what it was made of. */
function isCopy(from: string, to: string): boolean {
  const [a, b] = [statSync(from), statSync(to, { throwIfNoEntry: false })];
  if (b === undefined || (a.ino === b.ino && a.dev === b.dev)) return false;
  return a.size === b.size && Math.abs(a.mtimeMs - b.mtimeMs) < 1;
}
