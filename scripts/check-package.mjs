/**
 * Packs the package and lets publint and attw look at it: that every entry has its types, and that each way to import
 * it finds what it should.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "tfc-pack-"));
try {
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(packed);
  const tarball = join(folder, filename);
  const checks = [
    ["publint", ["run", tarball, "--strict"]],
    // The package is ESM: Node's require takes it, as the test of the package shows.
    ["attw", [tarball, "--profile", "esm-only", "--quiet"]],
  ];
  for (const [tool, args] of checks) {
    const { status } = spawnSync(`node_modules/.bin/${tool}`, args, { stdio: "inherit" });
    if (status !== 0) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
