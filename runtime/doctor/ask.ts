import { spawnSync } from "node:child_process";

/** What a program answered. */
export interface Answer {
  /** null where it did not start, or a signal ended it */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** why it did not start, or which signal ended it; null where it ended by itself */
  readonly failure: string | null;
}

/** How a program is asked. */
export interface Asking {
  readonly env?: NodeJS.ProcessEnv;
  /** seconds, after which it is ended; no limit when left out */
  readonly patience?: number;
  /** has its output go to the terminal's stderr, where it is for a person to see */
  readonly showsProgress?: boolean;
}

/** Runs a program to its end. */
export function ask(program: string, args: readonly string[], asking: Asking = {}): Answer {
  const { env = process.env, patience, showsProgress = false } = asking;
  const { status, signal, error, ...output } = spawnSync(program, args, {
    encoding: "utf8",
    env,
    maxBuffer: 2 ** 28,
    stdio: ["ignore", showsProgress ? 2 : "pipe", "pipe"],
    ...(patience === undefined ? {} : { timeout: patience * 1000 }),
  });
  // Null for what was not piped or did not start, though the types do not say so.
  const { stdout, stderr } = output as { stdout: string | null; stderr: string | null };
  return { status, stdout: stdout ?? "", stderr: stderr ?? "", failure: error?.message ?? signal };
}
