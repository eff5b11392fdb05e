import { chmodSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../onnx/output/folders.ts";
import { openEntry, type PlacedEntry } from "./entry.ts";
import { writing } from "./writable.ts";

/**
 * Compiled models in a folder. An entry is made under a name of its own and then given its place, whole; two that make
 * one at once make the same, and the first one's stays.
 */
export class Entries {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The entry of a key; null where there is none that is whole. */
  open(key: string): PlacedEntry | null {
    return openEntry(this.#place(key), key);
  }

  /**
   * A folder of one's own to make an entry in; those of builds that were killed are taken away.
   *
   * @throws TfcError FILE_NOT_WRITABLE
   */
  workplace(): string {
    return writing("cache", this.#folder, () => {
      makeFolder(this.#folder);
      removeLeft(this.#folder);
      const made = mkdtempSync(join(this.#folder, `.making-${process.pid}-`));
      // A temporary folder is its maker's alone; a build by another user reads what is there.
      chmodSync(made, 0o755);
      return made;
    });
  }

  /** Gives an entry its place; where another has made it meanwhile, that one stays. */
  put(workplace: string, key: string): PlacedEntry {
    const place = this.#place(key);
    for (let tries = 0; ; tries++) {
      try {
        renameSync(workplace, place);
      } catch (cause) {
        // It is there: whole, made by another; or not, and then it goes. Windows says EPERM.
        const there = openEntry(place, key);
        if (there !== null) {
          rmSync(workplace, { recursive: true, force: true });
          return there;
        }
        if (tries > 3) throw cause;
        rmSync(place, { recursive: true, force: true });
        continue;
      }
      const entry = openEntry(place, key);
      if (entry !== null) return entry;
      throw new Error(`an entry that is broken as soon as it is made: ${place}`);
    }
  }

  #place(key: string): string {
    return join(this.#folder, key.slice(0, 32));
  }
}

function removeLeft(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [, pid] = /^\.making-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !hasEnded(pid);
  } catch (cause) {
    // It is there, and another user's.
    return cause instanceof Error && "code" in cause && cause.code === "EPERM";
  }
}

/** Linux keeps the number of a process that has ended until its parent asks, which in containers nobody may. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "ascii").includes(") Z ");
  } catch {
    return false;
  }
}
