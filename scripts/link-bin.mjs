/**
 * Puts the `tfc` of this checkout into node_modules/.bin, as npm does with a dependency's: `npx tfc` then runs it
 * at once, and looks for nothing in its cache.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}node_modules/.bin`;

// Installed as a dependency from git, the package has no node_modules of its own to put it in.
if (existsSync(`${root}node_modules`)) {
  mkdirSync(folder, { recursive: true });
  rmSync(`${folder}/tfc`, { force: true });
  if (process.platform === "win32") {
    writeFileSync(`${folder}/tfc.cmd`, '@node "%~dp0..\\..\\bin\\tfc.js" %*\r\n');
  } else {
    symlinkSync("../../bin/tfc.js", `${folder}/tfc`);
  }
}
