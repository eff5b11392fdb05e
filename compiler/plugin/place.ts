import { constants, copyFileSync, linkSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { EntryFile, PlacedEntry } from "./entry.ts";

/** Bytes up to which a file goes through the bundler; larger ones are put beside its files without being read. */
export const IN_MEMORY = 16 * 2 ** 20;

/** Whether a file is put in its place without being read. */
export function isLarge({ size }: EntryFile): boolean {
  return size > IN_MEMORY;
}

/** Puts a file of an entry into a folder: by a link where one can be made, else as a copy that no memory holds. */
export function placeFile(entry: PlacedEntry, { path }: EntryFile, folder: string): void {
  const [from, to] = [join(entry.folder, path), join(folder, path)];
  if (isThere(from, to)) return;
  mkdirSync(dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  try {
    linkSync(from, temporary);
  } catch {
    // Of another file system, or one without links.
    copyFileSync(from, temporary, constants.COPYFILE_FICLONE);
  }
  // What is there may be another build's link.
  renameSync(temporary, to);
  rmSync(temporary, { force: true });
}

/** Whether a path has the file already. */
function isThere(from: string, to: string): boolean {
  const [a, b] = [statSync(from), statSync(to, { throwIfNoEntry: false })];
  return a.ino === b?.ino && a.dev === b.dev;
}
