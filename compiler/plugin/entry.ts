import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { GraphDescription } from "../bindings/description.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { RunFacts } from "../../runtime/web/spec.ts";
import { stampText } from "./identity.ts";
import { digestOf } from "./import-id.ts";
import { readRecord } from "./record.ts";

/** A file of a compiled model. */
export interface EntryFile {
  /** Beside the graph, with slashes. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** What tells whether it is what was written: a digest of a small one, of a large one its time. */
  readonly check: string;
}

/** A compiled model in the cache. */
export interface Entry {
  readonly version: 2;
  /** The digest of all that it was made of. */
  readonly key: string;
  /** What messages call it. */
  readonly name: string;
  /** Where its graph is. */
  readonly graph: string;
  /** The file with its tokenizer; null where it has none. */
  readonly text: string | null;
  /** All its files, the graph first. */
  readonly files: readonly EntryFile[];
  readonly description: GraphDescription;
  readonly facts: RunFacts;
  /** What compiling warned of; each build tells it again. */
  readonly warnings: readonly Diagnostic[];
}

/** An entry, and the folder that has it. */
export interface PlacedEntry extends Entry {
  readonly folder: string;
}

/** The file that says what an entry is. It is written last. */
export const ENTRY_FILE = "entry.json";

/** Bytes up to which a file's content is checked each time. */
const CHECKED = 4 * 2 ** 20;

/** What a file is checked by. */
export function checkOf(path: string, size: number): string {
  if (size <= CHECKED) return digestOf(readFileSync(path));
  const stamp = stampText(path)?.split(":");
  return `time ${stamp?.[1] ?? ""}`;
}

/** The entry in a folder; null where there is none, or one that is not what was written. */
export function openEntry(folder: string, key: string): PlacedEntry | null {
  try {
    const entry = readRecord(join(folder, ENTRY_FILE)) as Entry | null;
    // Another version has another key.
    if (entry?.key !== key) return null;
    const isWhole = entry.files.every(({ path, size, check }) => {
      const file = join(folder, path);
      return stampText(file)?.split(":")[0] === String(size) && checkOf(file, size) === check;
    });
    return isWhole ? { ...entry, folder } : null;
  } catch {
    // A record of another form: it is made anew.
    return null;
  }
}
