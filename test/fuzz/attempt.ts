import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { Random } from "./random.ts";
import type { Target } from "./targets/index.ts";
import { watched } from "./watch.ts";

/** What an input may cost: milliseconds, and bytes of memory that the process has never had before. */
export const limits = { time: 10_000, memory: 2 ** 30 } as const;

/**
 * Reads one input of a target: whatever it is, the result is a success or an error about the file.
 *
 * @returns "read", or the code of the error
 * @throws Error that names target and seed, for every other end
 */
export async function attempt(target: Target, seed: number): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "tfc-fuzz-"));
  const inside = path.join(folder, "input");
  mkdirSync(inside);
  try {
    target.write(inside, new Random(seed));
    const start = performance.now();
    const before = process.resourceUsage().maxRSS * 1024;
    const outcome = await watched(inside, () => read(target, inside));
    const [time, memory] = [performance.now() - start, process.resourceUsage().maxRSS * 1024];
    if (time > limits.time) throw new Error(`took ${Math.round(time)} ms`);
    // A test worker holds what files before this one left.
    if (memory - before > limits.memory)
      throw new Error(`took ${Math.round(memory / 1e6)} MB of memory, before ${Math.round(before / 1e6)}`);
    return outcome;
  } catch (cause) {
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new Error(`${target.name}, seed ${seed}: ${why}`, { cause });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function read(target: Target, folder: string): Promise<string> {
  try {
    await target.read(folder);
    return "read";
  } catch (error) {
    if (error instanceof TfcError && error.exitCode === 1) return error.code;
    throw error;
  }
}
