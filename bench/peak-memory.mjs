import { readFileSync, writeFileSync } from "node:fs";

/*
 * Preloaded into a measured process (`node --import`): writes down at the end how much memory it had at most. The
 * kernel's mark for this program is read, not the rusage of its parent, which counts the parent's own memory as well.
 */
const report = process.env.BENCH_REPORT;
// Of this process alone: others that it starts may be preloaded with the same.
delete process.env.BENCH_REPORT;
process.on("exit", () => {
  if (report === undefined) return;
  const status = readFileSync("/proc/self/status", "ascii").split("\n");
  writeFileSync(report, status.find((line) => line.startsWith("VmHWM")) ?? "");
});
