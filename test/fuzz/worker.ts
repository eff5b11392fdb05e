import { writeSync } from "node:fs";
import { attempt } from "./attempt.ts";
import { targets } from "./targets/index.ts";

/*
 * Attempts inputs one after another: `worker.mjs TARGET FIRST COUNT`, or `--list` for the targets, and which write files. Before each it prints its seed, so that whoever
 * started it knows which one it was when it hangs or dies; failures go to standard error, and it goes on.
 */
const [name, first, count] = process.argv.slice(2);
if (name === "--list") {
  for (const one of targets) writeSync(1, `${one.name}${one.writes === true ? " writes" : ""}\n`);
  process.exit();
}
const target = targets.find((one) => one.name === name);
if (target === undefined) throw new Error(`no target ${name ?? ""}`);
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  writeSync(1, `${seed}\n`);
  try {
    await attempt(target, seed);
  } catch (error) {
    writeSync(2, `${error instanceof Error ? error.message : String(error)}\n`);
  }
}
