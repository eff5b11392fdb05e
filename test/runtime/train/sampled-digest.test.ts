import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { sampledDigest } from "../../../runtime/train/sampled-digest.ts";
import { temporaryFolder } from "../../support/folder.ts";

const folder = temporaryFolder();

function sparse(name: string, size: number): string {
  const file = path.join(folder, name);
  writeFileSync(file, "");
  truncateSync(file, size);
  return file;
}

function write(file: string, byte: number, at: number): void {
  const fd = openSync(file, "r+");
  writeSync(fd, Uint8Array.of(byte), 0, 1, at);
  closeSync(fd);
}

describe("a digest of samples", () => {
  it("reads all of a file that is small", () => {
    const [one, other] = [sparse("one", 3e6), sparse("other", 3e6)];
    expect(sampledDigest(one)).toBe(sampledDigest(other));
    write(other, 1, 2_345_678);
    expect(sampledDigest(one)).not.toBe(sampledDigest(other));
  });

  it("reads a little of 16 GB, and tells sizes, first and last bytes apart", () => {
    const file = sparse("large", 16e9);
    const start = process.cpuUsage();
    const all = [sampledDigest(file)];
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1e6).toBeLessThan(1);
    write(file, 1, 16e9 - 1);
    all.push(sampledDigest(file));
    write(file, 1, 0);
    all.push(sampledDigest(file), sampledDigest(sparse("larger", 16e9 + 1)));
    expect(new Set(all).size).toBe(4);
  });
});
