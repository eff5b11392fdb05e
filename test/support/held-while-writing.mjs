/**
 * Loaded before a program (`node --import`), holds it when it has written the first bytes of a temporary file: says so
 * on stdout, and goes on when its stdin is closed or written to. What happens in between happens while it writes, however
 * fast the disk is and whatever the file system shares instead of copying.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const { openSync, writeSync, copyFileSync, readSync } = fs;
const temporaries = new Set();
let isDone = false;

const isTemporary = (file) => String(file).endsWith(".tmp");

function hold() {
  if (isDone) return;
  isDone = true;
  writeSync(1, "held\n");
  readSync(0, Buffer.alloc(1));
}

fs.openSync = (file, ...more) => {
  const fd = openSync(file, ...more);
  if (isTemporary(file)) temporaries.add(fd);
  else temporaries.delete(fd);
  return fd;
};
fs.writeSync = (fd, ...more) => {
  const written = writeSync(fd, ...more);
  if (temporaries.has(fd)) hold();
  return written;
};
fs.copyFileSync = (from, to, ...more) => {
  copyFileSync(from, to, ...more);
  if (isTemporary(to)) hold();
};
syncBuiltinESMExports();
