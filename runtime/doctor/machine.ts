import { readFileSync, statfsSync } from "node:fs";
import { freemem, tmpdir, totalmem } from "node:os";

/** Memory, in bytes. */
export interface Memory {
  /** of the machine, or of the container where that is less */
  readonly total: number;
  /** that could be had now */
  readonly available: number;
}

/** Room on a disk, in bytes. */
export interface Disk {
  readonly folder: string;
  readonly total: number;
  /** for this user */
  readonly free: number;
}

/** Memory as it is now. */
export function memory(): Memory {
  const limit = process.constrainedMemory();
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  return { total, available: Math.min(availableMemory(), total) };
}

/** What the kernel could give, caches included; what is free where it does not say it. */
function availableMemory(): number {
  try {
    const [, kilobytes] = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
    return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
  } catch {
    return freemem();
  }
}

/** The disks of the current folder, where models are written, and of temporary files. */
export function disks(): readonly Disk[] {
  return [...new Set([process.cwd(), tmpdir()])].flatMap((folder) => diskOf(folder) ?? []);
}

/** The disk of a folder; null where its file system does not tell. */
export function diskOf(folder: string): Disk | null {
  try {
    const { bsize, blocks, bavail } = statfsSync(folder);
    return { folder, total: bsize * blocks, free: bsize * bavail };
  } catch {
    return null;
  }
}
