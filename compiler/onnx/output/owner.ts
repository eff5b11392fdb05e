import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * The process that a temporary file belongs to, as a part of its name: `HOST-PID-START-RANDOM`. A number of a process
 * means something only where processes are numbered together, so that HOST stands for the machine and, on Linux, the
 * container; START tells two processes apart that had one number after each other.
 */
export interface Owner {
  readonly host: string;
  readonly pid: number;
  readonly start: string;
}

const PATTERN = /^([0-9a-f]{8})-(\d{1,10})-([0-9a-z]{1,16})-[0-9a-f]{12}$/;

let own: Owner | null = null;

/** A new name of this process: no two are equal, in whatever process or container they were made. */
export function newToken(): string {
  own ??= { host: hostKey(), pid: process.pid, start: startOf("self") ?? "0" };
  return `${own.host}-${own.pid}-${own.start}-${randomBytes(6).toString("hex")}`;
}

/** The owner that a token names, or null for what is no token. */
export function parseToken(token: string): Owner | null {
  const [, host = "", pid = "", start = ""] = PATTERN.exec(token) ?? [];
  return host === "" ? null : { host, pid: Number(pid), start };
}

/** Whether an owner still runs; null where that cannot be seen from here. */
export function isRunning(owner: Owner): boolean | null {
  if (owner.host !== hostKey()) return null;
  try {
    process.kill(owner.pid, 0);
  } catch (cause) {
    // One of another user's may not be signalled, but is there.
    if ((cause as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const start = startOf(String(owner.pid));
  return start === null || owner.start === "0" || start === owner.start;
}

function hostKey(): string {
  let space = "";
  try {
    space = readlinkSync("/proc/self/ns/pid");
  } catch {
    // Only Linux numbers processes by namespace.
  }
  return createHash("sha256").update(`${hostname()} ${space}`).digest("hex").slice(0, 8);
}

/** When a process started, in ticks since the machine did; null where the system does not show it. */
function startOf(pid: string): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in parentheses, which may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
