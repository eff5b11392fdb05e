import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";

/*
 * `node plain-write.mjs FILE BYTES`: writes as many bytes, the same megabyte again and again, asks the system to put
 * them on the disk, removes the file, and prints milliseconds as JSON: what no writer of such a file can go below.
 */
const [file = "", bytes = "0"] = process.argv.slice(2);
const piece = new Uint8Array(1 << 20).fill(1);
const start = performance.now();
const fd = openSync(file, "w");
for (let left = Number(bytes); left > 0; left -= piece.length)
  writeSync(fd, piece, 0, Math.min(left, piece.length));
fsyncSync(fd);
closeSync(fd);
const time = performance.now() - start;
rmSync(file);
process.stdout.write(JSON.stringify({ time }));
