import { closeSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isRunning, newToken, parseToken } from "./owner.ts";

const ENDING = ".tmp";
/** Characters of a file's name that its temporary files begin with: the rest must fit into 255 bytes as well. */
const SHOWN = 40;
/** Milliseconds after which a file is left over whose owner cannot be seen from here: another machine, a container. */
const LONG_AGO = 24 * 60 * 60 * 1000;

/** A path beside `file` that no other writer has, also in another process or container. */
export function temporaryFor(file: string): string {
  return join(dirname(file), `${prefixOf(file)}${newToken()}${ENDING}`);
}

/** `.model.onnx.` */
export function prefixOf(file: string): string {
  return `.${basename(file).slice(0, SHOWN)}.`;
}

/**
 * Removes temporary files for `file` that a process left behind when it was killed. Those of a process that runs stay,
 * and so does one that the graph in `referring` reads: it was being put in place.
 */
export function removeStale(file: string, referring: string | null): void {
  const folder = dirname(file);
  const prefix = prefixOf(file);
  for (const name of namesIn(folder)) {
    if (!name.startsWith(prefix) || !name.endsWith(ENDING)) continue;
    const path = join(folder, name);
    if (!isStale(name.slice(prefix.length, -ENDING.length), path)) continue;
    if (referring !== null && mentions(referring, name)) continue;
    rmSync(path, { force: true });
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isStale(token: string, path: string): boolean {
  const owner = parseToken(token);
  if (owner === null) return false;
  const running = isRunning(owner);
  return running === null ? ageOf(path) > LONG_AGO : !running;
}

/** Milliseconds since a file was written to; 0 for one that is gone. */
export function ageOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 0 : Date.now() - stat.mtimeMs;
}

const WINDOW = 1 << 20;

/** Whether a name stands in a file, as it does in a graph that reads the file of this name. */
function mentions(file: string, name: string): boolean {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const wanted = Buffer.from(name);
  const fd = openSync(file, "r");
  try {
    const window = Buffer.alloc(WINDOW + wanted.length);
    for (let at = 0; ; at += WINDOW) {
      const n = readSync(fd, window, 0, window.length, at);
      if (window.subarray(0, n).includes(wanted)) return true;
      if (n < window.length) return false;
    }
  } finally {
    closeSync(fd);
  }
}
