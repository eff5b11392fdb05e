import { statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { inputError } from "../../diagnostics/error.ts";

/** What to do where a disk is full. */
export interface SpaceFix {
  /** Where it is known how many bytes were to be written. */
  readonly known: string;
  readonly unknown: string;
}

/** @param also what else helps those who write these files; null for nothing */
export function spaceFix(also: string | null): SpaceFix {
  const rest = `on the disk, or choose an \`output\` on another${also === null ? "" : `; ${also}`}`;
  return { known: `free that much ${rest}`, unknown: `free space ${rest}` };
}

/** @throws TfcError FILE_NOT_WRITABLE where the disk of a file, whose folder is there, has not that many bytes free */
export function checkSpace(file: string, bytes: number, { known }: SpaceFix): void {
  if (bytes === 0) return;
  const { bavail, bsize } = statfsSync(dirname(resolve(file)));
  const free = bavail * bsize;
  if (bytes <= free) return;
  const why = `${sizeText(bytes)} to write and ${sizeText(free)} free on the disk`;
  throw inputError("FILE_NOT_WRITABLE", { file }, { file, why, fix: known });
}

/** Bytes to four digits. */
function sizeText(bytes: number): string {
  const power = bytes < 1e6 ? 1 : bytes < 1e9 ? 2 : 3;
  return `${Number((bytes / 1000 ** power).toPrecision(4))} ${["kB", "MB", "GB"][power - 1] ?? ""}`;
}
