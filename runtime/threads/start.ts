import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** The threads that there are; scripts/bundle.mjs makes a file of each. */
export type ThreadName =
  "engine-thread" | "reader-thread" | "encoder-thread" | "waiting-thread" | "compute-thread";

const PACKAGE = "@tokenformer/tfc";

/**
 * Starts a thread. Its script is a bundled file of the built package wherever this module itself runs from: its own
 * file in dist/, the bundled command line, or the sources.
 *
 * @throws Error where the package's own folder is nowhere to be found
 */
export function startThread(
  name: ThreadName,
  options: Pick<WorkerOptions, "workerData" | "resourceLimits"> = {},
): Worker {
  const script = path.join(packageFolder(), "dist", "cli", `${name}.js`);
  // Flags of the caller are about the caller's script: --input-type, for one, makes every thread with a file fail.
  return new Worker(script, { ...options, execArgv: [] });
}

/** The folder of this package: above this file, or, where an application was bundled with it, where Node finds it. */
export function packageFolder(): string {
  for (
    let folder = path.dirname(fileURLToPath(import.meta.url));
    folder !== path.dirname(folder);
    folder = path.dirname(folder)
  )
    if (isPackage(path.join(folder, "package.json"))) return folder;
  return path.dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
}

function isPackage(file: string): boolean {
  return existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: unknown }).name === PACKAGE;
}
