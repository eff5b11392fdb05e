import { statSync } from "node:fs";
import { inputError } from "../diagnostics/error.ts";

/** What tells whether a file was written to since: its size in bytes, when it was, and which file it is. */
export interface Stamp {
  readonly size: bigint;
  /** Nanoseconds. */
  readonly mtimeNs: bigint;
  readonly ino: bigint;
}

/** The stamp of a file now; null where there is none. */
export function stampOf(file: string): Stamp | null {
  return statSync(file, { bigint: true, throwIfNoEntry: false }) ?? null;
}

/** The stamps of those files that are there. */
export function stampsOf(files: readonly string[]): ReadonlyMap<string, Stamp> {
  const stamps = files.map((file) => [file, stampOf(file)] as const);
  return new Map(stamps.filter((pair): pair is readonly [string, Stamp] => pair[1] !== null));
}

/** @throws TfcError INPUT_CHANGED, for the first file that is not what it was when it was read */
export function checkUnchanged(stamps: ReadonlyMap<string, Stamp>): void {
  for (const [file, before] of stamps) {
    const now = stampOf(file);
    if (now?.size === before.size && now.mtimeNs === before.mtimeNs && now.ino === before.ino) continue;
    const found = now === null ? "none at this path" : stampText(now, before);
    throw inputError("INPUT_CHANGED", { file }, { file, wanted: stampText(before, now), found });
  }
}

function stampText({ size, mtimeNs }: Stamp, other: Stamp | null): string {
  const at = new Date(Number(mtimeNs / 1_000_000n)).toISOString();
  const same = size === other?.size && mtimeNs === other.mtimeNs;
  return `${size} bytes, written ${at}${same ? ", in another file" : ""}`;
}
