/**
 * Adds to package-lock.json the optional packages of other platforms that it lacks.
 *
 * npm leaves out of the lock file what its registry does not serve, and then `npm ci` refuses the file. Run this
 * after `npm install` on a registry that mirrors one platform only: `npm run lock:complete`.
 */
import { readFileSync, writeFileSync } from "node:fs";

const platform = /(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-(\w+)/;

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
const packages = lock.packages;
for (const [key, entry] of Object.entries(packages)) {
  for (const [name, wanted] of Object.entries(entry.optionalDependencies ?? {})) {
    if (packages[`node_modules/${name}`] || packages[`${key}/node_modules/${name}`]) continue;
    // A lock names one version: of a range, the lowest that it allows.
    const version = wanted.replace(/^[\^~]/, "");
    const [, os, cpu] = platform.exec(name) ?? (name.includes("windows") ? [name, "win32"] : []);
    packages[`node_modules/${name}`] = {
      version,
      ...(cpu && { cpu: [cpu] }),
      ...(entry.dev && { dev: true }),
      optional: true,
      ...(os && { os: [os] }),
    };
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, "en")));
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
