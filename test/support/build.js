import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const stamp = `${root}dist/.built`;
const bundle = `${root}dist/cli/main.cjs`;

/**
 * Builds dist before any test when it is missing or older than the sources: tests of the command line run it. Types
 * are not checked here; `npm run typecheck` does.
 */
export default function build() {
  const built = existsSync(stamp) && existsSync(bundle) ? statSync(stamp).mtimeMs : 0;
  if (newest() <= built) return;
  const started = new Date();
  const args = [`${root}node_modules/typescript/bin/tsc`, "-p", `${root}tsconfig.build.json`, "--noCheck"];
  for (const command of [args, [`${root}scripts/bundle.mjs`]]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
    if (status !== 0) throw new Error(`dist cannot be built:\n${stdout}${stderr}`);
  }
  writeFileSync(stamp, `${started.toISOString()}\n`);
}

/** When the youngest source, or the youngest folder of sources, was changed. */
function newest() {
  const times = ["compiler", "passes", "runtime"].flatMap((folder) =>
    readdirSync(root + folder, { recursive: true, encoding: "utf8" }).map(
      (file) => statSync(`${root}${folder}/${file}`).mtimeMs,
    ),
  );
  return Math.max(...times, statSync(`${root}tsconfig.json`).mtimeMs);
}
