// Rewrites what golden tests expect, and prints what changed: `npm run test:update -- [filter]`.
// The filter is a part of the names of cases and samples: outline-mlp, outline-mlp/match, dynamo. What the matchers of
// compiler/testing hold is written by the runner's own -u, the rest where TFC_UPDATE says so.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

if (process.env.CI) {
  console.error(
    "golden files are not rewritten on a build server (CI is set): run this at home and commit the diff",
  );
  process.exit(1);
}
process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const filter = process.argv[2];

const before = goldenFiles();
const jest = [
  "--experimental-vm-modules",
  "--disable-warning=ExperimentalWarning",
  "node_modules/jest/bin/jest.js",
];
const names =
  filter === undefined ? [] : ["--testNamePattern", filter.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")];
const tests = ["test/passes/cases", "test/models/golden", "test/bindings/write"];
const { status } = spawnSync(
  process.execPath,
  [...jest, "--silent", "--updateSnapshot", ...names, ...tests],
  {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, TFC_UPDATE: "1" },
  },
);
const after = goldenFiles();

const changed = [...after].filter(([file, text]) => before.get(file) !== text);
for (const [file, text] of changed) console.log(diff(file, before.get(file) ?? "", text));
console.log(changed.length === 0 ? "no golden file changed" : `${changed.length} golden files changed`);
process.exit(status ?? 1);

function goldenFiles() {
  const found = new Map();
  for (const root of ["test/passes", "test/golden", "test/bindings/golden"]) {
    if (!existsSync(root)) continue;
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      if (entry.isFile() && !file.endsWith(".ts")) found.set(file, readFileSync(file, "utf8"));
    }
  }
  return found;
}

/** The diff of one file, as git prints it. */
function diff(file, old, text) {
  const folder = mkdtempSync(join(tmpdir(), "tfc-update-"));
  try {
    writeFileSync(join(folder, "old"), old);
    writeFileSync(join(folder, "new"), text);
    const color = process.stdout.isTTY ? "--color=always" : "--color=never";
    execFileSync("git", ["--no-pager", "diff", "--no-index", color, "old", "new"], {
      cwd: folder,
      encoding: "utf8",
    });
    return "";
  } catch (error) {
    // git ends with status 1 where files differ.
    const lines = String(error.stdout).split("\n").slice(4);
    return [`=== ${file}`, ...lines].join("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
