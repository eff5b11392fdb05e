import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { stampOf } from "../onnx/stamp.ts";
import { digestOf } from "./import-id.ts";

/** A file that a compiled model was made of, as it was. */
export interface Dependency {
  /** Absolute. */
  readonly path: string;
  /** Size, time and inode, as text; null for a file that was not there. */
  readonly stamp: string | null;
  /** What tells its content from another: a digest, or the stamp of a large file that is linked and not read. */
  readonly content: string | null;
}

/** Bytes up to which the content of a file is looked at even where a compile does not read it. */
const SMALL = 64 * 2 ** 20;

/** Size, time and inode of a file; null where there is none. */
export function stampText(path: string): string | null {
  const stamp = stampOf(path);
  return stamp === null ? null : `${stamp.size}:${stamp.mtimeNs}:${stamp.ino}`;
}

/** Whether a file is what it was: only its stamp is looked at. */
export function isSame({ path, stamp }: Dependency): boolean {
  return stampText(path) === stamp;
}

/**
 * What a file is now. Of a file whose stamp is known nothing is read.
 *
 * @param known what was there before
 * @param isRead whether a compile reads it: then its content counts, whatever its size
 */
export async function identified(
  path: string,
  known: readonly Dependency[],
  isRead: boolean,
): Promise<Dependency> {
  const stamp = stampText(path);
  if (stamp === null) return { path, stamp, content: null };
  const before = known.find((one) => one.path === path && one.stamp === stamp);
  const isDigest = (content: string | null): boolean => content !== null && !content.includes(":");
  const size = Number(stamp.split(":")[0]);
  const isLooked = isRead || size <= SMALL;
  if (before !== undefined && (!isLooked || isDigest(before.content))) return before;
  return { path, stamp, content: isLooked ? await digestOfFile(path, size) : `${path}:${stamp}` };
}

/** SHA-256 of a file's content, a piece at a time. */
async function digestOfFile(path: string, size: number): Promise<string> {
  if (size < 2 ** 20) return digestOf(readFileSync(path));
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}
