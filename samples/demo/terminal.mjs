import { spawnSync } from "node:child_process";

/** What demos print, and the commands that they run. */

export function say(words) {
  console.log(`\n${words}`);
}

export function heading(words) {
  console.log(`\n\n${words}\n${"=".repeat(words.length)}`);
}

/** Runs a command as one would type it; the demo ends where it fails. */
export function tfc(...args) {
  console.log(`\n$ npx tfc ${args.join(" ")}\n`);
  const { status } = spawnSync(process.execPath, ["bin/tfc.js", ...args], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
