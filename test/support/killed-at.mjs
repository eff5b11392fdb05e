/**
 * Runs tfc's command line in a process that is killed at one of its changes to the file system, as kill -9 or a power
 * failure does: `node killed-at.mjs N ARGUMENTS…` dies before the N-th change, or in the middle of it where that is a
 * write. With N = 0 it lives, and prints the number of changes as its last line.
 */
import fs from "node:fs";
import module, { syncBuiltinESMExports } from "node:module";
import path from "node:path";

// The same code is loaded many times.
module.enableCompileCache?.();
const [last, ...args] = process.argv.slice(2);
let count = 0;

/** Whether this is the change to die at. */
function isLast() {
  count++;
  return count === Number(last);
}

function die() {
  process.kill(process.pid, "SIGKILL");
}

/** @param changes whether a call changes anything */
function patch(object, name, changes = () => true) {
  const original = object[name];
  object[name] = function (...given) {
    if (changes(...given) && isLast()) die();
    return original.apply(this, given);
  };
}

const writes = (_, flags) => flags !== undefined && flags !== "r";
for (const name of [
  "mkdirSync",
  "renameSync",
  "linkSync",
  "copyFileSync",
  "rmdirSync",
  "utimesSync",
  "fsyncSync",
])
  patch(fs, name);
patch(fs, "rmSync", (file) => fs.existsSync(file));
patch(fs, "openSync", writes);
patch(fs.promises, "open", writes);

const handle = await fs.promises.open(import.meta.filename, "r");
const prototype = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ["sync", "truncate"]) patch(prototype, name);
const write = prototype.write;
prototype.write = async function (bytes, at, length, position) {
  if (!isLast()) return write.call(this, bytes, at, length, position);
  await write.call(this, bytes, at, length >> 1, position);
  return die();
};
const writeSync = fs.writeSync;
fs.writeSync = (fd, bytes, at, length) => {
  if (fd <= 2 || !isLast()) return writeSync(fd, bytes, at, length);
  const buffer = Buffer.from(bytes);
  writeSync(fd, buffer.subarray(at ?? 0, (at ?? 0) + ((length ?? buffer.length) >> 1)));
  return die();
};
syncBuiltinESMExports();

const { main } = await import(path.resolve(import.meta.dirname, "../../dist/cli/main.cjs"));
process.exitCode = await main(args);
process.stdout.write(`\n${count}\n`);
